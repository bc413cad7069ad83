/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vfsload: who owns what. The main thread opens the device, prepares the files and collects; each
 * worker owns some queues with everything on them (slots, files, verification state) and its own
 * statistics, which main may read at any time and trusts only after the join.
 */
#ifndef VFSLOAD_LOAD_H
#define VFSLOAD_LOAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "hist.h"
#include "vufe_fuse.h"

#define STEPS_MAX 3
#define SEGS_MAX 264 /* of a request: 1 MiB of pages and the headers */
#define NAME_LEN 12 /* of every file made, so that prepared requests keep their length */

enum load_command { CMD_RUN, CMD_PROBE, CMD_LS, CMD_CAT, CMD_STAT, CMD_PUT };

struct load_opts {
	enum load_command command;
	const char *path;	/* of ls, cat, stat, put */
	const char *socket;
	enum vufe_transport transport;
	enum vufe_kick kick;
	const struct pattern *pattern;
	uint64_t queues, queue_size, threads, depth, bs, file_size, files, ops, seg_size, regions;
	uint64_t server_pid;
	double runtime, warmup;
	bool verify, json, direct, events, echo_limit, help;
};

enum step_kind {
	STEP_READ, STEP_WRITE, STEP_LOOKUP, STEP_GETATTR, STEP_CREATE, STEP_RELEASE, STEP_UNLINK,
	STEP_READDIRPLUS, STEP_KINDS
};

struct pattern {
	const char *name;
	const char *help;
	enum step_kind step[STEPS_MAX];
	unsigned nr_steps;
	bool choose;	/* each operation is one of the steps by lot; else one after the other */
	bool random;	/* order of blocks */
	bool data;	/* works on one big file a queue; else on many small ones */
};

/* One prepared request in guest memory. */
struct load_req {
	struct slot *slot;
	struct fuse_in_header *in;
	void *arg;
	char *name;
	struct fuse_out_header *out;
	void *body;
	uint16_t head;
	uint8_t kind;	/* enum step_kind */
};

/* One of the depth places on a queue: at most one of its requests is out at a time. */
struct slot {
	struct queue *q;
	struct load_req req[STEPS_MAX];
	uint8_t *data;		/* bs bytes, shared by the steps */
	uint64_t issued_ns;
	uint64_t block;		/* of the data request that is out */
	uint64_t node, fh;	/* of CREATE..UNLINK, or the directory handle of READDIRPLUS */
	uint64_t dir_off;
	uint32_t index, next_step, file;
};

struct file {
	uint64_t node, fh;
	char name[NAME_LEN + 1];
};

struct queue {
	struct worker *w;
	struct vufe_vq *vq;
	struct slot *slots;
	struct load_req **by_head;
	unsigned inflight;
	uint64_t rng;
	uint64_t next_block;	/* of sequential patterns */
	/* data patterns: file[0]; others: opts.files of them */
	struct file *file;
	unsigned nr_files;
	uint32_t *gen;		/* verify: generation of each block, 0 never written */
	uint8_t *block_busy;
};

struct worker {
	struct load *load;
	pthread_t thread;
	struct queue **queue;
	unsigned nr_queues;
	bool measuring;		/* the worker's own view of load->phase */
	uint64_t ops_left;	/* with --ops; else huge */
	/* results */
	uint64_t ops, bytes, errors;
	int result;		/* 0, or why the worker gave up */
	struct hist hist;
	struct fuse_forget_one *forget;	/* direct-mapped by node */
};

enum load_phase { PHASE_WARMUP, PHASE_MEASURE, PHASE_STOP };

struct load {
	const struct load_opts *opts;
	struct vufe_dev dev;
	struct vufe_fs fs;
	bool echo;		/* the device answers nothing: answers are laid ready */
	uint64_t dir;		/* node of the directory everything happens in */
	char dir_name[32];
	struct queue *queues;
	struct worker *workers;
	enum load_phase phase;	/* main moves it on; a worker may say STOP */
	unsigned workers_done;	/* atomic */
	int err_claimed;	/* atomic: the first to fail writes err */
	char err[320];
	struct forget_box *forget_box;
};

#define SLICES_MAX 8 /* of one device in one run */

/* One turn of a device: seconds, and whose CPU time counts (0: nobody's). */
struct slice {
	double warmup, seconds;
	uint64_t server_pid;
};

/* Sums over all slices. */
struct result {
	double rate[SLICES_MAX];	/* operations a second in each slice */
	unsigned nr_slices;
	double seconds;
	uint64_t ops, bytes, errors, kicks;
	uint64_t self_ns;	/* CPU time of this process while measuring */
	uint64_t server_ns;	/* likewise; 0: not known */
	int status;		/* 0 or -errno of the first failure */
	char err[320];
	struct hist hist;
};

/* Counters with one writer that main reads while they run. */
static inline void counter_set(uint64_t *c, uint64_t v)
{
	__atomic_store_n(c, v, __ATOMIC_RELAXED);
}

static inline uint64_t counter_get(const uint64_t *c)
{
	return __atomic_load_n(c, __ATOMIC_RELAXED);
}

/* opts.c: 0, or an exit code + 1 after the message was printed. */
int opts_parse(struct load_opts *o, int argc, char **argv);
void opts_usage(void);
const struct pattern *pattern_table(unsigned *ret_nr);

/* steps.c */
unsigned step_segs(const struct load_opts *o);	/* longest chain */
int step_build(struct load *l, struct slot *s, unsigned i, enum step_kind kind, uint64_t data_gpa);
void step_fill(struct worker *w, struct load_req *rq);
/* Judges the answer; counts bytes; 0 or -errno after load_fail(). */
int step_done(struct worker *w, struct load_req *rq, uint32_t len);

/* work.c */
void *work_thread(void *worker);
void load_fail(struct load *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* verify.c: a block is stamped with where it belongs and how often it was written. */
void stamp_write(uint8_t *data, uint64_t len, uint64_t file, uint64_t offset, uint32_t gen);
/* true: all of it is as written; else *ret_at is the first wrong byte. */
bool stamp_check(const uint8_t *data, uint64_t len, uint64_t file, uint64_t offset, uint32_t gen,
		 uint64_t *ret_at);

/* forget.c: gives node references back in batches over the hiprio queue; any thread. */
int forget_setup(struct load *l);
void forget_add(struct worker *w, uint64_t node, uint64_t n);
void forget_flush(struct worker *w);
void forget_drain(struct load *l);	/* until the device has taken all */
void forget_free(struct load *l);

/* prepare.c: the files a pattern needs, made and removed by the main thread. */
int prepare_files(struct load *l);
void remove_files(struct load *l);

/* run.c */
extern volatile int load_interrupted;
int run_load(const struct load_opts *o);
/*
 * A device's turns, between open and close: prepare once, any number of slices, finish once (also
 * after a failure). l->opts, dev, fs and echo are set. 0, or -errno with res->status set; res->err
 * is there after finish.
 */
int run_prepare(struct load *l, struct result *res);
int run_slice(struct load *l, struct result *res, const struct slice *sl);
int run_finish(struct load *l, struct result *res);
struct vufe_opts run_vufe_opts(const struct load_opts *o);

/* echo.c: the same load against rings that only echo, each run by a child of this process. */
enum echo_kind {
	ECHO_BARE,	/* pops and pushes; never looks at what the chain points to */
	ECHO_TOUCH,	/* also copies the readable headers and writes an answer's header */
	ECHO_KINDS
};
/* l, which is open, and the echoes in turns. echo: ECHO_KINDS results. 0 or -errno. */
int echo_compare(struct load *l, struct result *res, struct result *echo);

/* cpu.c: CPU time of all threads of a process in ns; 0 is this process. */
int cpu_time(uint64_t pid, uint64_t *ret_ns);
/* The CPU the busiest thread of a process ran on last; -1: not known. */
int cpu_of(uint64_t pid);

/* report.c; echo: ECHO_KINDS results, those without ops were not measured. */
void report_progress(const struct load *l, double at, uint64_t ops, uint64_t bytes);
void report(const struct load_opts *o, const struct result *res, const struct result *echo);

/* files.c: probe and the one-shot file operations. Exit codes. */
int files_command(const struct load_opts *o);

#endif
