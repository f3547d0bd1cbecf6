/* Preloaded into a job: notes, in order, what it writes to files whose path begins with $POWER_FILES, and when what was
   written so far is safe from a power cut. Appended to $POWER_LOG as records of a head, the file's name, the data; the
   name is what follows $POWER_FILES in its path, and "/" for the folder, whose sync keeps what was created and deleted. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct head {
    char operation;
    uint8_t name_length;
    uint32_t length;
    uint64_t offset;
} __attribute__((packed));

static int log_file = -1;
static const char *files;

__attribute__((constructor)) static void begin(void)
{
    files = getenv("POWER_FILES");
    log_file = open(getenv("POWER_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void note_path(char operation, const char *path, const void *data, size_t length, off_t offset)
{
    size_t prefix = strlen(files), folder = strrchr(files, '/') - files;
    const char *name;
    if (!strncmp(path, files, prefix))
        name = path + prefix;
    else if (!strncmp(path, files, folder) && !path[folder])
        name = "/";
    else
        return;
    struct head head = {operation, strlen(name), length, offset};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)name, head.name_length}, {(void *)data, length}};
    if (writev(log_file, parts, 3) < 0)
        abort();
}

static void note(char operation, int file, const void *data, size_t length, off_t offset)
{
    char link[32], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size > 0) {
        path[size] = 0;
        note_path(operation, path, data, length, offset);
    }
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* A write is noted before it is done, and a sync when it is: so never more is held for safe than is. */

#define WRITE_AT(name)                                                                     \
    ssize_t name(int file, const void *data, size_t length, off_t offset)                  \
    {                                                                                      \
        note('w', file, data, length, offset);                                             \
        return REAL(name)(file, data, length, offset);                                     \
    }
WRITE_AT(pwrite)
WRITE_AT(pwrite64)

ssize_t write(int file, const void *data, size_t length)
{
    off_t offset = lseek(file, 0, SEEK_CUR);
    if (offset >= 0)
        note('w', file, data, length, offset);
    return REAL(write)(file, data, length);
}

#define CUT(name)                                                                          \
    int name(int file, off_t length)                                                       \
    {                                                                                      \
        note('t', file, NULL, 0, length);                                                  \
        return REAL(name)(file, length);                                                   \
    }
CUT(ftruncate)
CUT(ftruncate64)

#define SYNC(name)                                                                         \
    int name(int file)                                                                     \
    {                                                                                      \
        int result = REAL(name)(file);                                                     \
        if (!result)                                                                       \
            note('s', file, NULL, 0, 0);                                                   \
        return result;                                                                     \
    }
SYNC(fsync)
SYNC(fdatasync)

int unlink(const char *path)
{
    note_path('u', path, NULL, 0, 0);
    return REAL(unlink)(path);
}
