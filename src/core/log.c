/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * Backends form a list that only grows: the API has no call to remove one. Each prints the lines of
 * one kind, APP or SDK, whose level lies in its window: upper <= level <= lower, as numbers, since
 * more verbose levels are greater. The strict calls freeze a bound of the window: the cap. Requests
 * beyond the cap are refused when made for the backend and clamped when made for all backends.
 *
 * One mutex guards everything. It is held while a line is written, so that lines of several threads
 * do not mix and each is one write. The most verbose level per kind is kept outside the mutex
 * (app_verbosity, sd_log_verbosity): lines nobody prints cost a load and a branch.
 *
 * Sources and lines may arrive from constructors before main(), so nothing here needs a constructor
 * of its own: the state is initialised statically, and $DOCA_LOG_LEVEL is read by the first call.
 *
 * A buffer backend calls the program while the mutex is held. Lines that this callback writes are
 * dropped (log_busy) instead of deadlocking.
 */
#include "core/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define LOG_LINE_MAX 2048   /* a longer line is cut; its end says so */
#define LOG_SOURCES_MAX 4096 /* a program has tens; bounds a program that registers in a loop */

enum log_kind { LOG_KIND_APP, LOG_KIND_SDK };

struct doca_log_backend {
	struct doca_log_backend *next;
	enum log_kind kind;
	uint32_t lower, upper;	     /* the window */
	uint32_t lower_cap, upper_cap; /* how far it may be opened */
	void (*write)(struct doca_log_backend *backend, uint32_t level, const char *line,
		      size_t len);
	FILE *file;		     /* file backends; the program's */
	int fd;			     /* fd backends; the program's */
	char *buf;		     /* buffer backends; the program's */
	size_t capacity;
	log_flush_callback handler;
	char *ident;		     /* syslog backends; ours */
};

uint32_t sd_log_verbosity;
static uint32_t app_verbosity;

static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static __thread bool log_busy;

/* Everything below is guarded by log_mutex. */
static struct {
	bool ready;
	bool standard; /* the standard pair exists */
	uint32_t lower, upper, sdk;
	struct doca_log_backend *backends;
	char **sources; /* by id; NULL is a free slot */
	int nr_sources;
} state = {
	.lower = DOCA_LOG_LEVEL_INFO,
	.upper = DOCA_LOG_LEVEL_CRIT,
	.sdk = DOCA_LOG_LEVEL_INFO,
};

static const struct {
	uint32_t level;
	const char *label;
	const char *name;
	int priority;
} levels[] = {
	{DOCA_LOG_LEVEL_DISABLE, "---", "DISABLE", LOG_DEBUG},
	{DOCA_LOG_LEVEL_CRIT, "CRT", "CRIT", LOG_CRIT},
	{DOCA_LOG_LEVEL_ERROR, "ERR", "ERROR", LOG_ERR},
	{DOCA_LOG_LEVEL_WARNING, "WRN", "WARNING", LOG_WARNING},
	{DOCA_LOG_LEVEL_INFO, "INF", "INFO", LOG_INFO},
	{DOCA_LOG_LEVEL_DEBUG, "DBG", "DEBUG", LOG_DEBUG},
	{DOCA_LOG_LEVEL_TRACE, "TRC", "TRACE", LOG_DEBUG},
};

static bool level_is_valid(uint32_t level)
{
	return level >= DOCA_LOG_LEVEL_DISABLE && level <= DOCA_LOG_LEVEL_TRACE && level % 10 == 0;
}

static size_t level_index(uint32_t level)
{
	return level / 10 - 1;
}

/* The environment is the user's: a value that means nothing is ignored. */
static void read_environment(void)
{
	const char *text = getenv("DOCA_LOG_LEVEL");

	if (!text)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		char number[4];

		snprintf(number, sizeof(number), "%u", levels[i].level);
		if (!strcasecmp(text, levels[i].name) || !strcmp(text, number))
			state.lower = levels[i].level;
	}
}

static void lock(void)
{
	pthread_mutex_lock(&log_mutex);
	if (!state.ready) {
		state.ready = true;
		read_environment();
	}
}

/* Publishes the most verbose levels and unlocks; the end of every change of a window. */
static void refresh_and_unlock(void)
{
	uint32_t most[] = {[LOG_KIND_APP] = 0, [LOG_KIND_SDK] = 0};

	for (struct doca_log_backend *b = state.backends; b; b = b->next)
		most[b->kind] = max(most[b->kind], b->lower);
	/* Pair with the unlocked reads in doca_log() and sd_log(); late is good enough. */
	WRITE_ONCE(app_verbosity, most[LOG_KIND_APP]);
	WRITE_ONCE(sd_log_verbosity, most[LOG_KIND_SDK]);
	pthread_mutex_unlock(&log_mutex);
}

/* --- writing a line --- */

static void write_file(struct doca_log_backend *b, uint32_t level, const char *line, size_t len)
{
	fwrite(line, 1, len, b->file);
	fflush(b->file);
}

static void write_fd(struct doca_log_backend *b, uint32_t level, const char *line, size_t len)
{
	while (len) {
		ssize_t n = write(b->fd, line, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) /* a log that can not be written has nowhere to complain */
			return;
		line += n;
		len -= (size_t)n;
	}
}

static void write_buf(struct doca_log_backend *b, uint32_t level, const char *line, size_t len)
{
	len = min(len, b->capacity - 1);
	memcpy(b->buf, line, len);
	b->buf[len] = '\0';
	b->handler(b->buf);
}

static void write_syslog(struct doca_log_backend *b, uint32_t level, const char *line, size_t len)
{
	/* The ident is global to the process and several backends may differ in it. */
	openlog(b->ident, LOG_PID, LOG_USER);
	syslog(levels[level_index(level)].priority, "%.*s", (int)(len - 1), line);
}

static const char *base_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path ? path : "?";
}

/* "[time][pid][DOCA][LEVEL][source][file:line][function] "; returns its length. */
static size_t format_prefix(char *buf, size_t size, uint32_t level, const char *source,
			    const char *file, int line, const char *func)
{
	struct timespec now;
	struct tm tm;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	len = (size_t)snprintf(buf, size, "[%02d:%02d:%02d:%06ld][%d][DOCA][%s][%s][%s:%d][%s] ",
		       tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000, (int)getpid(),
		       levels[level_index(level)].label, source, base_name(file), line,
		       func ? func : "?");
	return min(len, size - 1);
}

/*
 * Puts one line with its newline into buf and returns its length. Text may carry names chosen by a
 * guest: control characters become blanks, so that nothing in it can pass for a line of its own.
 */
static size_t __attribute__((format(printf, 4, 0)))
format_text(char *buf, size_t size, size_t start, const char *fmt, va_list ap)
{
	static const char cut[] = "...";
	size_t room = size - start - 2; /* for newline and NUL */
	int want = vsnprintf(buf + start, room + 1, fmt, ap);
	size_t len = start + (want < 0 ? 0 : min((size_t)want, room));

	if (want > 0 && (size_t)want > room)
		memcpy(buf + len - strlen(cut), cut, strlen(cut));
	while (len > start && buf[len - 1] == '\n')
		len--;
	for (size_t i = start; i < len; i++)
		if ((unsigned char)buf[i] < ' ' || buf[i] == 0x7f)
			buf[i] = ' ';
	buf[len] = '\n';
	buf[len + 1] = '\0';
	return len + 1;
}

/* Gives one line to every backend of its kind that wants it. Lock held. */
static void __attribute__((format(printf, 7, 0)))
emit(enum log_kind kind, uint32_t level, const char *source, const char *file, int line,
     const char *func, const char *fmt, va_list ap)
{
	char buf[LOG_LINE_MAX];
	size_t len = format_prefix(buf, sizeof(buf) / 2, level, source, file, line, func);

	len = format_text(buf, sizeof(buf), len, fmt, ap);
	log_busy = true;
	for (struct doca_log_backend *b = state.backends; b; b = b->next)
		if (b->kind == kind && b->upper <= level && level <= b->lower)
			b->write(b, level, buf, len);
	log_busy = false;
}

doca_error_t doca_log(uint32_t level, int source, const char *fname, int line, const char *func,
		      const char *format, ...)
{
	doca_error_t result = DOCA_SUCCESS;
	va_list ap;

	if (!level_is_valid(level) || level == DOCA_LOG_LEVEL_DISABLE || !format)
		return DOCA_ERROR_INVALID_VALUE;
	if (level > READ_ONCE(app_verbosity) || log_busy)
		return DOCA_SUCCESS;

	va_start(ap, format);
	lock();
	if (source >= 0 && source < state.nr_sources && state.sources[source])
		emit(LOG_KIND_APP, level, state.sources[source], fname, line, func, format, ap);
	else
		result = DOCA_ERROR_INVALID_VALUE;
	pthread_mutex_unlock(&log_mutex);
	va_end(ap);
	return result;
}

void sd_log_write(uint32_t level, const char *source, const char *file, int line, const char *func,
		  const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (log_busy)
		return;
	va_start(ap, fmt);
	lock();
	emit(LOG_KIND_SDK, level, source, file, line, func, fmt, ap);
	pthread_mutex_unlock(&log_mutex);
	va_end(ap);
	errno = saved;
}

int sd_log_limit_pass(struct sd_log_limit *limit, uint32_t *ret_suppressed)
{
	uint64_t now = clock_ns();
	uint64_t next = __atomic_load_n(&limit->next_ns, __ATOMIC_RELAXED);

	/* One thread moves the time on and prints; the others only count. */
	if (now < next || !__atomic_compare_exchange_n(&limit->next_ns, &next, now + 1000000000ull,
						       false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
		__atomic_fetch_add(&limit->suppressed, 1, __ATOMIC_RELAXED);
		return 0;
	}
	*ret_suppressed = __atomic_exchange_n(&limit->suppressed, 0, __ATOMIC_RELAXED);
	return 1;
}

/* --- sources --- */

/* A free id, growing the table when there is none. Lock held. -ENOMEM: no memory or no room. */
static int source_slot(void)
{
	int grown = state.nr_sources ? state.nr_sources * 2 : 16;
	char **sources;
	int id;

	for (id = 0; id < state.nr_sources; id++)
		if (!state.sources[id])
			return id;
	if (grown > LOG_SOURCES_MAX)
		return -ENOMEM;
	sources = realloc(state.sources, (size_t)grown * sizeof(*sources));
	if (!sources)
		return -ENOMEM;
	memset(sources + id, 0, (size_t)(grown - id) * sizeof(*sources));
	state.sources = sources;
	state.nr_sources = grown;
	return id;
}

doca_error_t doca_log_register_source(const char *source_name, int *source)
{
	char *name;
	int id;

	if (!source_name || !source)
		return DOCA_ERROR_INVALID_VALUE;
	name = strdup(source_name);
	if (!name)
		return DOCA_ERROR_NO_MEMORY;
	lock();
	id = source_slot();
	if (id >= 0) {
		state.sources[id] = name;
		*source = id;
	}
	pthread_mutex_unlock(&log_mutex);
	if (id >= 0)
		return DOCA_SUCCESS;
	free(name);
	return DOCA_ERROR_NO_MEMORY;
}

doca_error_t doca_log_unregister_source(int source)
{
	char *name = NULL;

	lock();
	if (source >= 0 && source < state.nr_sources)
		name = take_ptr(state.sources[source]);
	pthread_mutex_unlock(&log_mutex);
	if (!name)
		return DOCA_ERROR_INVALID_VALUE;
	free(name);
	return DOCA_SUCCESS;
}

/* --- creating backends --- */

/* Adds a copy of the template with the window of its kind. Lock not held. */
static doca_error_t backend_add(enum log_kind kind, const struct doca_log_backend *template,
				struct doca_log_backend **backend)
{
	struct doca_log_backend *b, **tail;

	if (!backend)
		return DOCA_ERROR_INVALID_VALUE;
	b = malloc(sizeof(*b));
	if (!b)
		return DOCA_ERROR_NO_MEMORY;
	*b = *template;
	b->next = NULL;
	b->kind = kind;
	lock();
	b->lower_cap = DOCA_LOG_LEVEL_TRACE;
	b->upper_cap = DOCA_LOG_LEVEL_DISABLE;
	b->lower = kind == LOG_KIND_SDK ? state.sdk : state.lower;
	b->upper = kind == LOG_KIND_SDK ? (uint32_t)DOCA_LOG_LEVEL_CRIT : state.upper;
	for (tail = &state.backends; *tail; tail = &(*tail)->next)
		;
	*tail = b;
	refresh_and_unlock();
	*backend = b;
	return DOCA_SUCCESS;
}

static doca_error_t add_file(enum log_kind kind, FILE *file, struct doca_log_backend **backend)
{
	if (!file)
		return DOCA_ERROR_INVALID_VALUE;
	return backend_add(kind, &(struct doca_log_backend){.write = write_file, .file = file},
			   backend);
}

static doca_error_t add_fd(enum log_kind kind, int fd, struct doca_log_backend **backend)
{
	if (fd < 0)
		return DOCA_ERROR_INVALID_VALUE;
	return backend_add(kind, &(struct doca_log_backend){.write = write_fd, .fd = fd}, backend);
}

static doca_error_t add_buf(enum log_kind kind, char *buf, size_t capacity,
			    log_flush_callback handler, struct doca_log_backend **backend)
{
	struct doca_log_backend template = {
		.write = write_buf, .buf = buf, .capacity = capacity, .handler = handler};

	if (!buf || !capacity || !handler)
		return DOCA_ERROR_INVALID_VALUE;
	return backend_add(kind, &template, backend);
}

static doca_error_t add_syslog(enum log_kind kind, const char *name,
			       struct doca_log_backend **backend)
{
	struct doca_log_backend template = {.write = write_syslog};
	doca_error_t result;

	if (!name || !backend)
		return DOCA_ERROR_INVALID_VALUE;
	template.ident = strdup(name);
	if (!template.ident)
		return DOCA_ERROR_NO_MEMORY;
	result = backend_add(kind, &template, backend);
	if (result != DOCA_SUCCESS)
		free(template.ident);
	return result;
}

doca_error_t doca_log_backend_create_with_file(FILE *fptr, struct doca_log_backend **backend)
{
	return add_file(LOG_KIND_APP, fptr, backend);
}

doca_error_t doca_log_backend_create_with_file_sdk(FILE *fptr, struct doca_log_backend **backend)
{
	return add_file(LOG_KIND_SDK, fptr, backend);
}

doca_error_t doca_log_backend_create_with_fd(int fd, struct doca_log_backend **backend)
{
	return add_fd(LOG_KIND_APP, fd, backend);
}

doca_error_t doca_log_backend_create_with_fd_sdk(int fd, struct doca_log_backend **backend)
{
	return add_fd(LOG_KIND_SDK, fd, backend);
}

doca_error_t doca_log_backend_create_with_buf(char *buf, size_t capacity,
					      log_flush_callback handler,
					      struct doca_log_backend **backend)
{
	return add_buf(LOG_KIND_APP, buf, capacity, handler, backend);
}

doca_error_t doca_log_backend_create_with_buf_sdk(char *buf, size_t capacity,
						  log_flush_callback handler,
						  struct doca_log_backend **backend)
{
	return add_buf(LOG_KIND_SDK, buf, capacity, handler, backend);
}

doca_error_t doca_log_backend_create_with_syslog(const char *name,
						 struct doca_log_backend **backend)
{
	return add_syslog(LOG_KIND_APP, name, backend);
}

doca_error_t doca_log_backend_create_with_syslog_sdk(const char *name,
						     struct doca_log_backend **backend)
{
	return add_syslog(LOG_KIND_SDK, name, backend);
}

doca_error_t doca_log_backend_create_standard(void)
{
	struct doca_log_backend *out, *err;
	doca_error_t result = DOCA_SUCCESS;
	bool exists;

	lock();
	exists = state.standard;
	state.standard = true;
	pthread_mutex_unlock(&log_mutex);
	if (exists)
		return DOCA_SUCCESS;

	DOCA_ERROR_PROPAGATE(result, add_file(LOG_KIND_APP, stdout, &out));
	DOCA_ERROR_PROPAGATE(result, add_file(LOG_KIND_APP, stderr, &err));
	if (result != DOCA_SUCCESS)
		return result;
	lock();
	out->upper = out->upper_cap = DOCA_LOG_LEVEL_INFO;
	err->lower_cap = DOCA_LOG_LEVEL_WARNING;
	err->lower = min(err->lower, err->lower_cap);
	refresh_and_unlock();
	return DOCA_SUCCESS;
}

/* --- windows --- */

/* May a call for this kind of backend with this level go on? */
static bool window_args_ok(const struct doca_log_backend *b, enum log_kind kind, uint32_t level)
{
	return b && b->kind == kind && level_is_valid(level);
}

doca_error_t doca_log_backend_set_level_lower_limit(struct doca_log_backend *backend,
						    uint32_t level)
{
	doca_error_t result = DOCA_SUCCESS;

	if (!window_args_ok(backend, LOG_KIND_APP, level))
		return DOCA_ERROR_INVALID_VALUE;
	lock();
	if (level > backend->lower_cap)
		result = DOCA_ERROR_NOT_PERMITTED;
	else
		backend->lower = level;
	refresh_and_unlock();
	return result;
}

doca_error_t doca_log_backend_set_level_upper_limit(struct doca_log_backend *backend,
						    uint32_t upper_limit)
{
	doca_error_t result = DOCA_SUCCESS;

	if (!window_args_ok(backend, LOG_KIND_APP, upper_limit))
		return DOCA_ERROR_INVALID_VALUE;
	lock();
	if (upper_limit < backend->upper_cap)
		result = DOCA_ERROR_NOT_PERMITTED;
	else
		backend->upper = upper_limit;
	refresh_and_unlock();
	return result;
}

doca_error_t doca_log_backend_set_level_lower_limit_strict(struct doca_log_backend *backend)
{
	if (!backend || backend->kind != LOG_KIND_APP)
		return DOCA_ERROR_INVALID_VALUE;
	lock();
	backend->lower_cap = backend->lower;
	pthread_mutex_unlock(&log_mutex);
	return DOCA_SUCCESS;
}

doca_error_t doca_log_backend_set_level_upper_limit_strict(struct doca_log_backend *backend)
{
	if (!backend || backend->kind != LOG_KIND_APP)
		return DOCA_ERROR_INVALID_VALUE;
	lock();
	backend->upper_cap = backend->upper;
	pthread_mutex_unlock(&log_mutex);
	return DOCA_SUCCESS;
}

doca_error_t doca_log_backend_set_sdk_level(struct doca_log_backend *backend, uint32_t level)
{
	if (!window_args_ok(backend, LOG_KIND_SDK, level))
		return DOCA_ERROR_INVALID_VALUE;
	lock();
	backend->lower = level;
	refresh_and_unlock();
	return DOCA_SUCCESS;
}

doca_error_t doca_log_level_set_global_lower_limit(uint32_t level)
{
	if (!level_is_valid(level))
		return DOCA_ERROR_INVALID_VALUE;
	lock();
	state.lower = level;
	for (struct doca_log_backend *b = state.backends; b; b = b->next)
		if (b->kind == LOG_KIND_APP)
			b->lower = min(level, b->lower_cap);
	refresh_and_unlock();
	return DOCA_SUCCESS;
}

doca_error_t doca_log_level_set_global_upper_limit(uint32_t upper_limit)
{
	if (!level_is_valid(upper_limit))
		return DOCA_ERROR_INVALID_VALUE;
	lock();
	state.upper = upper_limit;
	for (struct doca_log_backend *b = state.backends; b; b = b->next)
		if (b->kind == LOG_KIND_APP)
			b->upper = max(upper_limit, b->upper_cap);
	refresh_and_unlock();
	return DOCA_SUCCESS;
}

doca_error_t doca_log_level_set_global_sdk_limit(uint32_t level)
{
	if (!level_is_valid(level))
		return DOCA_ERROR_INVALID_VALUE;
	lock();
	state.sdk = level;
	for (struct doca_log_backend *b = state.backends; b; b = b->next)
		if (b->kind == LOG_KIND_SDK)
			b->lower = level;
	refresh_and_unlock();
	return DOCA_SUCCESS;
}

static uint32_t read_locked(const uint32_t *value)
{
	uint32_t copy;

	lock();
	copy = *value;
	pthread_mutex_unlock(&log_mutex);
	return copy;
}

uint32_t doca_log_level_get_global_lower_limit(void)
{
	return read_locked(&state.lower);
}

uint32_t doca_log_level_get_global_upper_limit(void)
{
	return read_locked(&state.upper);
}

uint32_t doca_log_level_get_global_sdk_limit(void)
{
	return read_locked(&state.sdk);
}
