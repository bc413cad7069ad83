/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "doca_error.h"
#include "doca_version.h"

/* The numbers are ABI: spelled out here, not taken from the header. */
static const struct {
	int code;
	const char *name;
} codes[] = {
	{0, "DOCA_SUCCESS"},
	{1, "DOCA_ERROR_UNKNOWN"},
	{2, "DOCA_ERROR_NOT_PERMITTED"},
	{3, "DOCA_ERROR_IN_USE"},
	{4, "DOCA_ERROR_NOT_SUPPORTED"},
	{5, "DOCA_ERROR_AGAIN"},
	{6, "DOCA_ERROR_INVALID_VALUE"},
	{7, "DOCA_ERROR_NO_MEMORY"},
	{8, "DOCA_ERROR_INITIALIZATION"},
	{9, "DOCA_ERROR_TIME_OUT"},
	{10, "DOCA_ERROR_SHUTDOWN"},
	{11, "DOCA_ERROR_CONNECTION_RESET"},
	{12, "DOCA_ERROR_CONNECTION_ABORTED"},
	{13, "DOCA_ERROR_CONNECTION_INPROGRESS"},
	{14, "DOCA_ERROR_NOT_CONNECTED"},
	{15, "DOCA_ERROR_NO_LOCK"},
	{16, "DOCA_ERROR_NOT_FOUND"},
	{17, "DOCA_ERROR_IO_FAILED"},
	{18, "DOCA_ERROR_BAD_STATE"},
	{19, "DOCA_ERROR_UNSUPPORTED_VERSION"},
	{20, "DOCA_ERROR_OPERATING_SYSTEM"},
	{21, "DOCA_ERROR_DRIVER"},
	{22, "DOCA_ERROR_UNEXPECTED"},
	{23, "DOCA_ERROR_ALREADY_EXIST"},
	{24, "DOCA_ERROR_FULL"},
	{25, "DOCA_ERROR_EMPTY"},
	{26, "DOCA_ERROR_IN_PROGRESS"},
	{27, "DOCA_ERROR_TOO_BIG"},
	{28, "DOCA_ERROR_AUTHENTICATION"},
	{29, "DOCA_ERROR_BAD_CONFIG"},
	{30, "DOCA_ERROR_SKIPPED"},
};

static void test_names(void **cookie)
{
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		doca_error_t error = (doca_error_t)codes[i].code;

		assert_int_equal(codes[i].code, (int)i);
		assert_string_equal(doca_error_get_name(error), codes[i].name);
		assert_true(strlen(doca_error_get_descr(error)) > 3);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(doca_error_get_descr(error),
						doca_error_get_descr((doca_error_t)j));
	}
}

/* A negative errno cast to the type is a known mistake of programs. */
static void test_unknown(void **cookie)
{
	static const int bad[] = {31, 1000, -1, -EINVAL, INT32_MAX, INT32_MIN};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_non_null(doca_error_get_name((doca_error_t)bad[i]));
		assert_non_null(doca_error_get_descr((doca_error_t)bad[i]));
		assert_string_not_equal(doca_error_get_name((doca_error_t)bad[i]),
					"DOCA_ERROR_UNKNOWN");
	}
}

static void test_macros(void **cookie)
{
	doca_error_t result = DOCA_SUCCESS;

	assert_false(DOCA_IS_ERROR(result));
	DOCA_ERROR_PROPAGATE(result, DOCA_SUCCESS);
	assert_int_equal(result, DOCA_SUCCESS);
	DOCA_ERROR_PROPAGATE(result, DOCA_ERROR_FULL);
	DOCA_ERROR_PROPAGATE(result, DOCA_ERROR_EMPTY);
	assert_int_equal(result, DOCA_ERROR_FULL);
	assert_true(DOCA_IS_ERROR(result));
}

static void test_version(void **cookie)
{
	assert_string_equal(doca_version(), doca_version_runtime());
	assert_true(DOCA_VERSION_EQ_CURRENT(DOCA_VERSION_MAJOR, DOCA_VERSION_MINOR,
					    DOCA_VERSION_PATCH));
	assert_true(DOCA_VERSION_LTE_CURRENT(2, 7, 85));
	assert_false(DOCA_VERSION_LTE_CURRENT(DOCA_VERSION_MAJOR + 1, 0, 0));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_macros),
		cmocka_unit_test(test_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
