#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(KHD_CAP_SYS_MODULE == CAP_SYS_MODULE, "the number that the kernel's headers give");

/* <linux/module.h> of 5.17; older headers lack it, and older kernels answer EINVAL. */
#define KHD_MODULE_INIT_COMPRESSED_FILE 4

int khd_finit_module(int file, int is_compressed)
{
    return (int)syscall(SYS_finit_module, file, "", is_compressed ? KHD_MODULE_INIT_COMPRESSED_FILE : 0);
}

int khd_delete_module(const char *name)
{
    return (int)syscall(SYS_delete_module, name, O_NONBLOCK);
}

/* <linux/memfd.h> of older kernels does not have it. */
#define KHD_MFD_NOEXEC_SEAL 0x0008U

int khd_memory_file(const char *name)
{
    /* Where vm.memfd_noexec is 2, others are refused; before Linux 6.3 the flag is unknown. */
    int file = memfd_create(name, MFD_CLOEXEC | KHD_MFD_NOEXEC_SEAL);
    return file >= 0 || errno != EINVAL ? file : memfd_create(name, MFD_CLOEXEC);
}

pid_t khd_fork(void)
{
    return fork();
}

int khd_get_capabilities(struct khd_capabilities *held)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, data) != 0)
        return -1;
    held->effective = data[0].effective | (uint64_t)data[1].effective << 32;
    held->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
    held->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
    return 0;
}

int khd_set_capabilities(const struct khd_capabilities *wanted)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
        { (uint32_t)wanted->effective, (uint32_t)wanted->permitted, (uint32_t)wanted->inheritable },
        { (uint32_t)(wanted->effective >> 32), (uint32_t)(wanted->permitted >> 32),
          (uint32_t)(wanted->inheritable >> 32) },
    };
    return (int)syscall(SYS_capset, &header, data);
}

int khd_clear_ambient_capabilities(void)
{
    return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L);
}

int khd_drop_bounding_capability(int number)
{
    return prctl(PR_CAPBSET_DROP, (long)number, 0L, 0L, 0L);
}

int khd_set_no_new_privileges(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L);
}
