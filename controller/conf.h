/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration: command line (conf_options.def), JSON, environment; validated as a whole. */
#ifndef CONTROLLER_CONF_H
#define CONTROLLER_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "filter.h"
#include "fs/fs.h"
#include "privileges.h"

#define CONF_MAX_CPUS 256
#define CONF_MAX_DEVICES 64
#define CONF_ANY_CPU (-1) /* in conf.cpu: wherever the kernel puts the thread */

#define CONF_DEFAULT_TAG "docavirtiofs"
#define CONF_DEFAULT_QUEUES 32
#define CONF_DEFAULT_QUEUE_SIZE 256

/* Kinds of file system, which differ in the system calls and capabilities they take. */
enum conf_serves {
	CONF_SERVES_LOCAL = 1,
	CONF_SERVES_NFS = 2,
	CONF_SERVES_NULL = 4,
	CONF_SERVES_LABELS = 8, /* local, with security labels */
};

struct conf_device {
	char *name; /* by which the control socket knows it; NULL: the slot is free */
	char *manager, *vuid; /* the function it serves; NULL: the next static one */
	char *tag;
	char *transport; /* "vhost-user" */
	char *socket; /* NULL: the board's, or captive_prepare()'s */
	int num_request_queues;
	int queue_size;
	struct fs_config fs; /* its strings are ours */
};

struct conf {
	int cpu[CONF_MAX_CPUS];
	unsigned int nr_cpus;
	bool dma;
	char *run; /* captive command or NULL */
	char *rpc_socket; /* NULL: the usual place; "none": there is none */
	char *qmp; /* control socket of the host's QEMU, or NULL */
	enum filter_action seccomp;
	struct priv_mods modcaps;
	unsigned int serves; /* bits of enum conf_serves: no others ever */
	unsigned int nr_devices; /* configured at the start; others come by the control socket */
	struct conf_device device[CONF_MAX_DEVICES];
	struct conf_device defaults; /* of these */
};

/*
 * Parses everything into *conf (zeroed by the caller). --help and --version end the program.
 * -EINVAL: refused, reason printed. The strings live until conf_fini().
 */
int conf_load(struct conf *conf, int argc, char **argv);
void conf_fini(struct conf *conf);

struct json_object;
/*
 * A device that comes later, by the same keys as in the file, into a free slot of conf->device;
 * for one that is there already (conf_device of that slot) only the keys given change. 0, or
 * -errno with the reason logged and nothing changed.
 */
int conf_add_device(struct conf *conf, struct json_object *keys, struct conf_device **ret_dev);
int conf_change_device(struct conf *conf, struct conf_device *d, struct json_object *keys);
void conf_remove_device(struct conf_device *d);
struct conf_device *conf_find_device(struct conf *conf, const char *name);

/* "0x3" -> CPUs 0 and 1; any number of digits. How many, or -EINVAL, -E2BIG: more than most. */
int conf_parse_core_mask(const char *text, int *cpu, int most);

#endif
