/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log lines of the application and of the library. A line carries a level and a source; a backend
 * prints it when the level lies inside the window of that backend. Smaller numbers are more
 * severe: the upper limit is the most severe level a backend prints, the lower limit the most
 * verbose one.
 *
 * Application backends print lines written through the macros below, SDK backends the lines of the
 * library itself; without an SDK backend the library is silent. All calls may be made from any
 * thread; a line is written with a single write, so lines never mix.
 */
#ifndef DOCA_LOG_H
#define DOCA_LOG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "doca_compat.h"
#include "doca_error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One place lines go to. Backends live until the process ends. */
struct doca_log_backend;

enum doca_log_level {
	DOCA_LOG_LEVEL_DISABLE = 10,	/* as a limit: print nothing */
	DOCA_LOG_LEVEL_CRIT = 20,
	DOCA_LOG_LEVEL_ERROR = 30,
	DOCA_LOG_LEVEL_WARNING = 40,
	DOCA_LOG_LEVEL_INFO = 50,
	DOCA_LOG_LEVEL_DEBUG = 60,
	DOCA_LOG_LEVEL_TRACE = 70,	/* compiled in with DOCA_LOGGING_ALLOW_TRACE only */
};

/*
 * Told by a buffer backend that its buffer holds a new line. Lines the callback itself logs are
 * dropped, and it must not change backends or limits.
 */
typedef void (*log_flush_callback)(char *buf);

/*
 * DOCA_LOG_REGISTER(A::B) once at file scope gives the file the source A::B, registered before
 * main(). The macros after it write a line of that source: a printf format and its arguments.
 */
#define DOCA_LOG_REGISTER(source) \
	static int log_source; \
	static void __attribute__((constructor(101))) doca_log_source_ctor(void) \
	{ \
		doca_log_register_source(#source, &log_source); \
	} \
	static void __attribute__((destructor(101))) doca_log_source_dtor(void) \
	{ \
		doca_log_unregister_source(log_source); \
	} \
	struct doca_log_backend

#define DOCA_LOG(level, ...) \
	doca_log((level), log_source, __FILE__, __LINE__, __func__, __VA_ARGS__)

#define DOCA_LOG_CRIT(...) DOCA_LOG(DOCA_LOG_LEVEL_CRIT, __VA_ARGS__)
#define DOCA_LOG_ERR(...) DOCA_LOG(DOCA_LOG_LEVEL_ERROR, __VA_ARGS__)
#define DOCA_LOG_WARN(...) DOCA_LOG(DOCA_LOG_LEVEL_WARNING, __VA_ARGS__)
#define DOCA_LOG_INFO(...) DOCA_LOG(DOCA_LOG_LEVEL_INFO, __VA_ARGS__)
#define DOCA_LOG_DBG(...) DOCA_LOG(DOCA_LOG_LEVEL_DEBUG, __VA_ARGS__)

#ifdef DOCA_LOGGING_ALLOW_TRACE
#define DOCA_LOG_TRC(...) DOCA_LOG(DOCA_LOG_LEVEL_TRACE, __VA_ARGS__)
#else
#define DOCA_LOG_TRC(...) \
	do { \
	} while (0)
#endif

/*
 * Writes one line; control characters in the text become blanks. Success also when no backend wants
 * the line. INVALID_VALUE: not a level, or not a registered source.
 */
DOCA_STABLE doca_error_t doca_log(uint32_t level, int source, const char *fname, int line,
		const char *func, const char *format, ...) __attribute__((format(printf, 6, 7)));

/*
 * A source name, levels separated by "::", gets an id; the name is copied. DOCA_LOG_REGISTER() does
 * this. INVALID_VALUE: NULL, or an id that is not registered. NO_MEMORY: too many sources.
 */
DOCA_STABLE doca_error_t doca_log_register_source(const char *source_name, int *source);
DOCA_STABLE doca_error_t doca_log_unregister_source(int source);

/*
 * Application backends. A new one starts with the global limits. The stream or descriptor stays the
 * caller's and must stay open. A buffer gets each line at its start, cut to its capacity and ended
 * by NUL, and then the handler is called. INVALID_VALUE: nothing to write to.
 */
DOCA_STABLE doca_error_t doca_log_backend_create_with_file(FILE *fptr,
		struct doca_log_backend **backend);
DOCA_STABLE doca_error_t doca_log_backend_create_with_fd(int fd, struct doca_log_backend **backend);
DOCA_STABLE doca_error_t doca_log_backend_create_with_buf(char *buf, size_t capacity,
		log_flush_callback handler, struct doca_log_backend **backend);
DOCA_STABLE doca_error_t doca_log_backend_create_with_syslog(const char *name,
		struct doca_log_backend **backend);

/*
 * The usual pair of application backends: INFO and more verbose lines to stdout, WARNING and more
 * severe ones to stderr. A second call changes nothing.
 */
DOCA_STABLE doca_error_t doca_log_backend_create_standard(void);

/* The same kinds of backends for the lines of the library. */
DOCA_STABLE doca_error_t doca_log_backend_create_with_file_sdk(FILE *fptr,
		struct doca_log_backend **backend);
DOCA_STABLE doca_error_t doca_log_backend_create_with_fd_sdk(int fd,
		struct doca_log_backend **backend);
DOCA_STABLE doca_error_t doca_log_backend_create_with_buf_sdk(char *buf, size_t capacity,
		log_flush_callback handler, struct doca_log_backend **backend);
DOCA_STABLE doca_error_t doca_log_backend_create_with_syslog_sdk(const char *name,
		struct doca_log_backend **backend);

/*
 * The window of one application backend: the most verbose and the most severe level it prints.
 * INVALID_VALUE: not a level, or an SDK backend. NOT_PERMITTED: beyond a strict limit.
 */
DOCA_STABLE doca_error_t doca_log_backend_set_level_lower_limit(struct doca_log_backend *backend,
		uint32_t level);
DOCA_STABLE doca_error_t doca_log_backend_set_level_upper_limit(struct doca_log_backend *backend,
		uint32_t upper_limit);

/* Makes the present limit of the backend strict: later calls, global ones too, can not pass it. */
DOCA_STABLE doca_error_t doca_log_backend_set_level_lower_limit_strict(
		struct doca_log_backend *backend);
DOCA_STABLE doca_error_t doca_log_backend_set_level_upper_limit_strict(
		struct doca_log_backend *backend);

/* The most verbose level an SDK backend prints. INVALID_VALUE: an application backend. */
DOCA_STABLE doca_error_t doca_log_backend_set_sdk_level(struct doca_log_backend *backend,
		uint32_t level);

/*
 * The limits of all application backends, present and future. Initially INFO (or $DOCA_LOG_LEVEL, a
 * name or number of the scale) and CRIT. A backend with a strict limit follows only that far.
 */
DOCA_STABLE doca_error_t doca_log_level_set_global_lower_limit(uint32_t level);
DOCA_STABLE doca_error_t doca_log_level_set_global_upper_limit(uint32_t upper_limit);
DOCA_STABLE uint32_t doca_log_level_get_global_lower_limit(void);
DOCA_STABLE uint32_t doca_log_level_get_global_upper_limit(void);

/* The most verbose level of all SDK backends, present and future; initially INFO. */
DOCA_STABLE doca_error_t doca_log_level_set_global_sdk_limit(uint32_t level);
DOCA_STABLE uint32_t doca_log_level_get_global_sdk_limit(void);

#ifdef __cplusplus
}
#endif

#endif
