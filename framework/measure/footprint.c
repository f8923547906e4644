/* Resident memory, as the kernel counts it for this process: not ru_maxrss, which inherits a parent's peak.
 */
#include "measure/footprint.h"

#include "base/file.h"

#include <stdlib.h>
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
