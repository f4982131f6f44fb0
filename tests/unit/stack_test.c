/*
 * Giving back a stack's pages: what is empty goes, what is not stays.
 */
#include "test.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "util/stack.h"

#define PAGE 4096
#define PAGES 16

static _Thread_local char variables[PAGES * PAGE];

/* The whole pages inside variables. */
static char *first_page(void)
{
	return (char *)(((uintptr_t)variables + PAGE - 1) / PAGE * PAGE);
}

static size_t count_resident(void)
{
	unsigned char in_memory[PAGES - 1];
	size_t n = 0;
	assert_int_equal(mincore(first_page(), sizeof(in_memory) * PAGE, in_memory), 0);
	for (size_t i = 0; i < sizeof(in_memory); i++)
		n += in_memory[i] & 1;
	return n;
}

static void *trim(void *arg)
{
	char on_stack[3 * PAGE];
	size_t *resident = arg;
	memset(on_stack, 'x', sizeof(on_stack));
	memset(variables, 0, sizeof(variables));
	first_page()[5 * PAGE + 17] = 'y';
	resident[0] = count_resident();
	stack_trim();
	resident[1] = count_resident();
	for (size_t i = 0; i < sizeof(on_stack); i++)
		assert_int_equal(on_stack[i], 'x');
	for (size_t i = 0; i < (PAGES - 1) * PAGE; i++)
		assert_int_equal(first_page()[i], i == 5 * PAGE + 17 ? 'y' : 0);
	first_page()[0] = 'z';
	assert_int_equal(first_page()[0], 'z');
	return NULL;
}

static void empty_pages_go_and_others_stay(void **state)
{
	(void)state;
	pthread_t thread;
	size_t resident[2] = {0, 0};
	assert_int_equal(pthread_create(&thread, NULL, trim, resident), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(resident[0], PAGES - 1);
	assert_int_equal(resident[1], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(empty_pages_go_and_others_stay)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
