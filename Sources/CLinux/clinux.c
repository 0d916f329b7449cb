#define _GNU_SOURCE
#include "clinux.h"
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/vfs.h>
#include <unistd.h>

int nudged_inode_generation(int fd, uint32_t *generation) {
    long value = 0;
    *generation = 0;
    if (ioctl(fd, FS_IOC_GETVERSION, &value) == 0) *generation = (uint32_t)value;
    return 0;
}

int nudged_rename_noreplace(int old_directory, const char *old_name, int new_directory, const char *new_name) {
    return renameat2(old_directory, old_name, new_directory, new_name, RENAME_NOREPLACE);
}

int nudged_syncfs(int fd) { return syncfs(fd); }

static int block_signals(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    return pthread_sigmask(SIG_BLOCK, set, NULL);
}

void nudged_block_signals(void) {
    sigset_t set;
    block_signals(&set);
}

int nudged_signal_descriptor(void) {
    sigset_t set;
    int failed = block_signals(&set);
    if (failed) {
        errno = failed;
        return -1;
    }
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int nudged_next_signal(int fd) {
    struct signalfd_siginfo info;
    return read(fd, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}

int nudged_is_local(const char *path) {
    struct statfs status;
    if (statfs(path, &status) != 0) return 0;
    switch ((uint32_t)status.f_type) {
    case 0x6969:     // NFS
    case 0x517B:     // SMB
    case 0xFF534D42: // CIFS
    case 0xFE534D42: // SMB2
    case 0x65735546: // FUSE
    case 0x01021997: // 9p
    case 0x00C36400: // Ceph
        return 0;
    default:
        return 1;
    }
}

static int release_object(struct dl_phdr_info *object, size_t size, void *none) {
    (void)size;
    (void)none;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int index = 0; index < object->dlpi_phnum; index++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[index];
        // What is written to would lose what was written.
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X) || part->p_flags & PF_W) continue;
        uintptr_t begin = (object->dlpi_addr + part->p_vaddr + page - 1) & ~(page - 1);
        uintptr_t end = (object->dlpi_addr + part->p_vaddr + part->p_filesz) & ~(page - 1);
        if (begin < end) madvise((void *)begin, end - begin, MADV_DONTNEED);
    }
    return 0;
}

void nudged_release_code(void) { dl_iterate_phdr(release_object, NULL); }
