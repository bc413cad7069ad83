/* SPDX-License-Identifier: BSD-3-Clause */
#include "doca_error.h"

#include "base/util.h"

static const struct {
	const char *name;
	const char *descr;
} error_texts[] = {
#define ROW(code, text) [DOCA_##code] = {"DOCA_" #code, text}
	ROW(SUCCESS, "Success"),
	ROW(ERROR_UNKNOWN, "Unknown error"),
	ROW(ERROR_NOT_PERMITTED, "Operation not permitted"),
	ROW(ERROR_IN_USE, "Resource is in use"),
	ROW(ERROR_NOT_SUPPORTED, "Operation not supported"),
	ROW(ERROR_AGAIN, "Resource temporarily unavailable, try again"),
	ROW(ERROR_INVALID_VALUE, "Invalid value"),
	ROW(ERROR_NO_MEMORY, "Out of memory or of elements"),
	ROW(ERROR_INITIALIZATION, "Initialization failed"),
	ROW(ERROR_TIME_OUT, "Timed out"),
	ROW(ERROR_SHUTDOWN, "Shut down, or shutting down"),
	ROW(ERROR_CONNECTION_RESET, "Connection reset by peer"),
	ROW(ERROR_CONNECTION_ABORTED, "Connection aborted"),
	ROW(ERROR_CONNECTION_INPROGRESS, "Connection being established"),
	ROW(ERROR_NOT_CONNECTED, "Not connected"),
	ROW(ERROR_NO_LOCK, "Lock could not be taken"),
	ROW(ERROR_NOT_FOUND, "Not found"),
	ROW(ERROR_IO_FAILED, "Input or output failed"),
	ROW(ERROR_BAD_STATE, "Not possible in this state"),
	ROW(ERROR_UNSUPPORTED_VERSION, "Version not supported"),
	ROW(ERROR_OPERATING_SYSTEM, "Operating system call failed"),
	ROW(ERROR_DRIVER, "Driver call failed"),
	ROW(ERROR_UNEXPECTED, "Unexpected situation"),
	ROW(ERROR_ALREADY_EXIST, "Exists already"),
	ROW(ERROR_FULL, "No more room"),
	ROW(ERROR_EMPTY, "Nothing left"),
	ROW(ERROR_IN_PROGRESS, "Started, and still in progress"),
	ROW(ERROR_TOO_BIG, "Too big"),
	ROW(ERROR_AUTHENTICATION, "Authentication failed"),
	ROW(ERROR_BAD_CONFIG, "Configuration is not usable"),
	ROW(ERROR_SKIPPED, "Skipped"),
#undef ROW
};

/* Callers have been seen to cast a negative errno: any bit pattern must be safe here. */
static int error_is_known(doca_error_t error)
{
	return (unsigned int)error < ARRAY_SIZE(error_texts);
}

const char *doca_error_get_name(doca_error_t error)
{
	return error_is_known(error) ? error_texts[error].name : "DOCA_ERROR_<unknown code>";
}

const char *doca_error_get_descr(doca_error_t error)
{
	return error_is_known(error) ? error_texts[error].descr : "Error code not known";
}
