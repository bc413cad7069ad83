/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration: command line (conf_options.def), JSON, environment; validated as a whole. */
#ifndef CONTROLLER_CONF_H
#define CONTROLLER_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/fs.h"

#define CONF_MAX_CPUS 256
#define CONF_MAX_DEVICES 64
#define CONF_ANY_CPU (-1) /* in conf.cpu: wherever the kernel puts the thread */

#define CONF_DEFAULT_TAG "docavirtiofs"
#define CONF_DEFAULT_QUEUES 32
#define CONF_DEFAULT_QUEUE_SIZE 256

struct conf_device {
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
	unsigned int nr_devices;
	struct conf_device device[CONF_MAX_DEVICES];
};

/*
 * Parses everything into *conf (zeroed by the caller). --help and --version end the program.
 * -EINVAL: refused, reason printed. The strings live until conf_fini().
 */
int conf_load(struct conf *conf, int argc, char **argv);
void conf_fini(struct conf *conf);

/* "0x3" -> CPUs 0 and 1; any number of digits. How many, or -EINVAL, -E2BIG: more than most. */
int conf_parse_core_mask(const char *text, int *cpu, int most);

#endif
