/* Resident memory, as the kernel counts it for this process: not ru_maxrss, which inherits a parent's peak.
 */
#include "measure/footprint.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int64_t sb_resident_bytes(void)
{
    char *line = sb_read_line("/proc/self/statm");
    int64_t bytes = -1;
    if (line) {
        char *rest;
        strtoull(line, &rest, 10);
        bytes = (int64_t)strtoull(rest, NULL, 10) * sysconf(_SC_PAGESIZE);
    }
    free(line);
    return bytes;
}

int64_t sb_pss_bytes(void)
{
    char *text = NULL;
    int64_t bytes = -1;
    if (sb_read_file("/proc/self/smaps_rollup", &text, NULL))
        return -1;
    const char *line = strstr(text, "\nPss:");
    if (line)
        bytes = (int64_t)strtoull(line + strlen("\nPss:"), NULL, 10) * 1024;
    free(text);
    return bytes;
}
