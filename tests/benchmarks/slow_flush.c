/* Preloaded into a process, this adds a pause to each flush, as the eMMC or SD card of a small gateway would.
   DOXEDGE_FLUSH_PAUSE_MS says how long; each flush leaves one byte in the file DOXEDGE_FLUSH_COUNT names. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void pause_and_count(void)
{
    const char *pause_ms = getenv("DOXEDGE_FLUSH_PAUSE_MS"), *file = getenv("DOXEDGE_FLUSH_COUNT");
    long left_ms = pause_ms ? atol(pause_ms) : 0;
    struct timespec left = {left_ms / 1000, left_ms % 1000 * 1000000L};
    while (nanosleep(&left, &left) != 0) {}
    int count = file ? open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (count >= 0) {
        if (write(count, ".", 1) != 1) {}
        close(count);
    }
}

int fsync(int file)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    pause_and_count();
    return real(file);
}

int fdatasync(int file)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    pause_and_count();
    return real(file);
}
