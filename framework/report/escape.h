/* Any text as words of a format: nothing in a name or a reason may end a row, a tag or a command. */
#ifndef SB_REPORT_ESCAPE_H
#define SB_REPORT_ESCAPE_H

#include "base/str.h"

void sb_tex_text(struct sb_text *out, const char *text);
void sb_markdown_text(struct sb_text *out, const char *text);
void sb_html_text(struct sb_text *out, const char *text); /* for attributes in double quotes, too */

#endif
