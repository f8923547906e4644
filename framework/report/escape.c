/* Texts from outside as words of TeX, Markdown and HTML: names, reasons, the config, a plugin's last words. */
#include "report/escape.h"

#include <string.h>

void sb_tex_text(struct sb_text *out, const char *text)
{
    static const struct {
        char c;
        const char *tex;
    } special[] = {{'\\', "\\textbackslash{}"}, {'~', "\\textasciitilde{}"},   {'^', "\\textasciicircum{}"},
                   {'<', "\\textless{}"},       {'>', "\\textgreater{}"},      {'|', "\\textbar{}"},
                   {'"', "\\textquotedbl{}"},   {'\'', "\\textquotesingle{}"}, {'`', "\\textasciigrave{}"}};
    for (; *text; text++) {
        const char *tex = NULL;
        for (size_t i = 0; i < SB_COUNT(special); i++)
            tex = special[i].c == *text ? special[i].tex : tex;
        if (tex)
            sb_text_printf(out, "%s", tex);
        else if (strchr("#$%&_{}", *text))
            sb_text_printf(out, "\\%c", *text);
        else if ((unsigned char)*text < 0x20 || *text == 0x7f)
            sb_text_add(out, " ", 1);
        else
            sb_text_add(out, text, 1);
    }
}

/* Line ends would end a table's row, and a list's item. */
void sb_markdown_text(struct sb_text *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '<')
            sb_text_printf(out, "&lt;");
        else if (*text == '>')
            sb_text_printf(out, "&gt;");
        else if (*text == '&')
            sb_text_printf(out, "&amp;");
        else if (strchr("\\`*_{}[]#|~$!", *text))
            sb_text_printf(out, "\\%c", *text);
        else if ((unsigned char)*text < 0x20 || *text == 0x7f)
            sb_text_add(out, " ", 1);
        else
            sb_text_add(out, text, 1);
    }
}

void sb_html_text(struct sb_text *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '<')
            sb_text_printf(out, "&lt;");
        else if (c == '>')
            sb_text_printf(out, "&gt;");
        else if (c == '&')
            sb_text_printf(out, "&amp;");
        else if (c == '"')
            sb_text_printf(out, "&quot;");
        else if (c >= 0x20 || c == '\n' || c == '\t')
            sb_text_add(out, text, 1);
        else
            sb_text_printf(out, "\\x%02x", c);
    }
}
