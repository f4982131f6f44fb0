/*
 * Makes fsync and fdatasync fail with EIO for files under a folder, for as long as a flag file
 * exists.
 *
 * Loaded into the program with LD_PRELOAD by the fault rig. FSYNC_SHIM_FOLDER is the folder,
 * FSYNC_SHIM_FLAG the flag; every failure adds a byte to the flag's neighbour that ends in ".hits".
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int sync_fn(int fd);

static bool is_under_folder(int fd)
{
	const char *folder = getenv("FSYNC_SHIM_FOLDER");
	char link[64], path[PATH_MAX];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	const ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (folder == NULL || n < 0)
		return false;
	path[n] = '\0';
	return strncmp(path, folder, strlen(folder)) == 0;
}

static void count_hit(const char *flag)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s.hits", flag);
	const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		return;
	if (write(fd, ".", 1) != 1)
		fputs("fsync_shim: a hit could not be counted\n", stderr);
	close(fd);
}

static int sync_or_fail(const char *name, int fd)
{
	const char *flag = getenv("FSYNC_SHIM_FLAG");
	if (flag != NULL && access(flag, F_OK) == 0 && is_under_folder(fd)) {
		count_hit(flag);
		errno = EIO;
		return -1;
	}
	sync_fn *real = (sync_fn *)dlsym(RTLD_NEXT, name);
	return real(fd);
}

int fsync(int fd);
int fdatasync(int fd);

int fsync(int fd)
{
	return sync_or_fail("fsync", fd);
}

int fdatasync(int fd)
{
	return sync_or_fail("fdatasync", fd);
}
