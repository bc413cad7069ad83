/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log lines of the library itself. They go to SDK backends only (doca_log.h), so a program that
 * creates none pays one load and one branch per statement. Any thread may log. What a guest or a
 * front end can cause is logged with sd_log_ratelimited_warn() or below the default level.
 *
 * A file starts with SD_LOG_REGISTER(VFS_IO); its lines then carry the source SOFTDPU::VFS_IO.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdint.h>

#include "base/atomics.h"
#include "base/util.h"
#include "doca_log.h"

/* Most verbose level any SDK backend prints; 0 while there is none. Written by log.c only. */
extern uint32_t sd_log_verbosity __attribute__((visibility("hidden")));

/* One call site of a rate-limited line. All members are accessed atomically. */
struct sd_log_limit {
	uint64_t next_ns;    /* no line before this time */
	uint32_t suppressed; /* lines dropped since the last one printed */
};

/* Formats one line and gives it to the SDK backends. Not to be called directly. */
void sd_log_write(uint32_t level, const char *source, const char *file, int line,
		const char *func, const char *fmt, ...) __attribute__((format(printf, 6, 7), cold));

/*
 * May this call site print now? On true *ret_suppressed is the number of lines it dropped before.
 * At most one true per second and call site, across all threads.
 */
int sd_log_limit_pass(struct sd_log_limit *limit, uint32_t *ret_suppressed)
	__attribute__((cold));

#define SD_LOG_REGISTER(name) \
	static const char sd_log_source[] __attribute__((unused)) = "SOFTDPU::" #name

#define sd_log(level, ...) \
	do { \
		if (unlikely((level) <= READ_ONCE(sd_log_verbosity))) \
			sd_log_write((level), sd_log_source, __FILE__, __LINE__, __func__, \
				     __VA_ARGS__); \
	} while (0)

#define sd_log_crit(...) sd_log((uint32_t)DOCA_LOG_LEVEL_CRIT, __VA_ARGS__)
#define sd_log_err(...) sd_log((uint32_t)DOCA_LOG_LEVEL_ERROR, __VA_ARGS__)
#define sd_log_warn(...) sd_log((uint32_t)DOCA_LOG_LEVEL_WARNING, __VA_ARGS__)
#define sd_log_info(...) sd_log((uint32_t)DOCA_LOG_LEVEL_INFO, __VA_ARGS__)
#define sd_log_dbg(...) sd_log((uint32_t)DOCA_LOG_LEVEL_DEBUG, __VA_ARGS__)

/* A warning printed at most once per second by this call site; fmt must be a string literal. */
#define sd_log_ratelimited_warn(fmt, ...) \
	do { \
		static struct sd_log_limit _limit; \
		uint32_t _suppressed; \
		if (unlikely((uint32_t)DOCA_LOG_LEVEL_WARNING <= READ_ONCE(sd_log_verbosity)) && \
		    sd_log_limit_pass(&_limit, &_suppressed)) \
			sd_log_write(DOCA_LOG_LEVEL_WARNING, sd_log_source, __FILE__, __LINE__, \
				     __func__, fmt " (%u more like this suppressed)", \
				     ##__VA_ARGS__, _suppressed); \
	} while (0)

#endif
