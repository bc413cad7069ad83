/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The board of this process: where it comes from.
 *
 * Theory of Operation: the board in use is made once, under the lock, and never changes; an
 * unreadable board stays an error, so that a listing does not change its answer half-way through a
 * program. What its text means is board_read.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/board.h"
#include "core/log.h"
#include "softdpu_ext.h"

SD_LOG_REGISTER(BOARD);

enum board_state {
	BOARD_UNLOADED,
	BOARD_LOADED,
	BOARD_FAILED,
};

static pthread_mutex_t board_mutex = PTHREAD_MUTEX_INITIALIZER;
/* under board_mutex */
static enum board_state board_state;
static doca_error_t board_error;
static struct board *board_current; /* UNLOADED: what softdpu_board_set() left, or NULL */

void board_lock(void)
{
	pthread_mutex_lock(&board_mutex);
}

void board_unlock(void)
{
	pthread_mutex_unlock(&board_mutex);
}

/* Has the environment named a file? */
static bool board_is_named(void)
{
	const char *path = getenv("SOFTDPU_BOARD");

	return path && path[0];
}

const char *board_file_path(void)
{
	return board_is_named() ? getenv("SOFTDPU_BOARD") : BOARD_FILE;
}

char *board_read_file(const char *path)
{
	CLEANUP_FREE char *text = malloc(BOARD_FILE_MAX + 2);
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t got;

	if (fd < 0 || !text)
		return NULL;
	do {
		got = read(fd, text + len, BOARD_FILE_MAX + 1 - len);
		if (got < 0 && errno != EINTR)
			return NULL;
		len += got > 0 ? (size_t)got : 0;
	} while (got && len <= BOARD_FILE_MAX);
	text[len] = '\0';
	return take_ptr(text);
}

static doca_error_t load_board(struct board **ret_board)
{
	const char *path = board_file_path();
	CLEANUP_FREE char *text = board_read_file(path);

	if (!text && !board_is_named() && (errno == ENOENT || errno == ENOTDIR))
		return board_parse(NULL, "built-in board", ret_board);
	if (!text) {
		sd_log_err("%s: cannot read the board: %s", path, strerror(errno));
		return DOCA_ERROR_IO_FAILED;
	}
	return board_parse(text, path, ret_board);
}

doca_error_t board_get(struct board **ret_board)
{
	doca_error_t ret = DOCA_SUCCESS;

	board_lock();
	if (board_state == BOARD_UNLOADED) {
		if (!board_current)
			board_error = load_board(&board_current);
		board_state = board_current ? BOARD_LOADED : BOARD_FAILED;
	}
	if (board_state == BOARD_LOADED)
		*ret_board = board_current;
	else
		ret = board_error;
	board_unlock();
	return ret;
}

doca_error_t softdpu_board_set(const char *json)
{
	struct board *board, *old = NULL;
	doca_error_t ret;

	if (!json)
		return DOCA_ERROR_INVALID_VALUE;
	ret = board_parse(json, "softdpu_board_set()", &board);
	if (ret != DOCA_SUCCESS)
		return ret;
	board_lock();
	if (board_state == BOARD_UNLOADED) {
		old = board_current;
		board_current = board;
	} else {
		old = board;
		ret = DOCA_ERROR_BAD_STATE;
	}
	board_unlock();
	board_free(old);
	return ret;
}
