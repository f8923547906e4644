/*
 * scullbench-trial: one trial as INI text on standard input, its result as JSON lines on standard output.
 * What plugins print goes to standard error, so that it can't be taken for a result.
 */
#define _GNU_SOURCE
#include "base/diag.h"
#include "base/file.h"
#include "trial/layout.h"
#include "trial/reporter.h"
#include "trial/simulate.h"
#include "trial/trial.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static const char help[] = "usage: scullbench-trial < TRIAL.ini\n\n"
                           "Runs one trial alone, as `scullbench plan CONFIG --trial N` prints it, "
                           "and writes what it found as JSON\nlines. Good for gdb, valgrind or another machine.\n\n"
                           "  --die-with-parent   end when the process that started this one ends\n"
                           "  --help              this text\n\nExit status: 0 when the trial's status is ok, "
                           "1 when it is anything else, 2 when its text is wrong.\n";

int main(int argc, char **argv)
{
    struct sb_diag diag = {.file = "standard input"};
    struct sb_trial_spec spec;
    /* Started anew by /proc/self/exe it would go by that name, in top as well. */
    prctl(PR_SET_NAME, "scullbench-trial");
    char *text;
    size_t length;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--die-with-parent")) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
        } else if (!strcmp(argv[i], "--help")) {
            fputs(help, stdout);
            return 0;
        } else {
            sb_error("unknown argument '%s'; see scullbench-trial --help", argv[i]);
            return 2;
        }
    }
    if (sb_read_fd(STDIN_FILENO, &text, &length)) {
        sb_error("standard input can't be read");
        return 2;
    }
    sb_trial_spec_read(&spec, text, length, &diag);
    if (sb_diag_flush(&diag, stderr)) {
        sb_trial_spec_free(&spec);
        free(text);
        return 2;
    }
    bool simulate = spec.trial[SB_TRIAL_SIMULATE].u && !sb_simulated();
    if (!sb_layout_is_set())
        sb_layout_restart(argv, text, length, spec.allocator.section, spec.trial[SB_TRIAL_LAYOUT].u);
    FILE *out = sb_reporter_open();
    if (!out) {
        char *why = sb_printf("the result's way out can't be made: %s", strerror(errno));
        sb_write_status(stdout, SB_STATUS_ERROR, why);
        free(why);
        return 1;
    }
    enum sb_status status = simulate ? sb_simulate(&spec, text, out) : sb_trial_run(&spec, out);
    sb_reporter_end(out);
    /* Only then nothing is still running, or corrupt. */
    if (status != SB_STATUS_OK)
        _exit(1);
    sb_trial_spec_free(&spec);
    free(text);
    return 0;
}
