/* Being asked to end early, by Ctrl-C or a kill. */
#ifndef SB_BASE_STOP_H
#define SB_BASE_STOP_H

#include <signal.h>

/* True once somebody has asked; whoever waits or goes round in a loop looks at it. Never false again. */
extern volatile sig_atomic_t sb_stop;

/*
 * From now on SIGINT, SIGTERM and SIGHUP only set the flag. SIGHUP stays ignored where it is, for nohup asked
 * for that. May be called again.
 */
void sb_catch_stop(void);

#endif
