#ifndef CLINUX_H
#define CLINUX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * System calls that glibc has no function for, or a variadic one, which Swift does not import. Each returns -1 and sets
 * errno as a system call does.
 */

/* finit_module(2) of a file as it is, or, if the kernel can (5.17, CONFIG_MODULE_DECOMPRESS), of a compressed one. */
int khd_finit_module(int file, int is_compressed);
/* init_module(2). */
/* delete_module(2); fails while the module is in use. */
int khd_delete_module(const char *name);

/* A file in memory without a name, closed on exec (memfd_create(2)). */
int khd_memory_file(const char *name);

/* fork(2). Between it and the end of the child nothing may run that needs another thread. */
pid_t khd_fork(void);

/* The capabilities of the calling thread, one bit each as <linux/capability.h> numbers them. */
struct khd_capabilities {
    uint64_t effective, permitted, inheritable;
};
int khd_get_capabilities(struct khd_capabilities *held);
int khd_set_capabilities(const struct khd_capabilities *wanted);
/* Empties the ambient set. */
int khd_clear_ambient_capabilities(void);
/* Takes one from the bounding set; EINVAL for one that the kernel does not have. */
int khd_drop_bounding_capability(int number);
int khd_set_no_new_privileges(void);

#define KHD_CAP_SYS_MODULE 16

#endif
