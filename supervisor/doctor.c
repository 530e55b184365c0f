#include "doctor.h"

#include <stdio.h>

#include "birth.h"
#include "interpreter.h"
#include "without.h"

#define HOW "forked from a warm one"

/* What is printed is our own text and the kernel's numbers: quotes and backslashes are all that JSON could mind. */
static void json_string(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			putchar('\\');
		putchar(*s);
	}
	putchar('"');
}

static void print_languages_json(const struct interpreter *in)
{
	printf("], \"languages\": [");
	for (int i = 0; i < LANGUAGE_COUNT; i++) {
		printf("%s{\"name\": \"%s\", \"served\": %s, \"interpreter\": ", i ? ", " : "", language_name(i), *in[i].why ? "false" : "true");
		json_string(in[i].path);
		printf(", \"version\": ");
		json_string(in[i].version);
		printf(", \"how\": \"%s\", \"why\": ", *in[i].why ? "" : HOW);
		json_string(in[i].why);
		printf("}");
	}
}

static void print_languages(const struct interpreter *in)
{
	printf("\n");
	for (int i = 0; i < LANGUAGE_COUNT; i++) {
		printf("%-4s %-16s %-9s %s%s%s\n", *in[i].why ? "off" : "on", language_name(i), in[i].version,
		       in[i].path, *in[i].path ? ", " : "", *in[i].why ? "not served" : HOW);
		if (*in[i].why)
			printf("     %-16s why: %s\n", "", in[i].why);
	}
}

static void print_json(const struct layers *l, const struct interpreter *in)
{
	printf("{\"kernel\": ");
	json_string(l->kernel);
	if (*WITHOUT_NAME)
		printf(", \"test_build_without\": \"%s\"", WITHOUT_NAME);
	printf(", \"landlock_abi\": %d, \"layers\": [", l->landlock_abi);
	for (int i = 0; i < LAYER_COUNT; i++) {
		printf("%s{\"name\": \"%s\", \"on\": %s, \"required\": %s, \"purpose\": ", i ? ", " : "", layer_name(i),
		       l->on & 1u << i ? "true" : "false", l->required & 1u << i ? "true" : "false");
		json_string(layers_purpose(i));
		printf(", \"why\": ");
		json_string(l->why[i]);
		printf(", \"since\": ");
		json_string(layers_since(i));
		printf(", \"means\": ");
		json_string(l->on & 1u << i ? "" : layers_lost(i));
		printf(", \"remedy\": ");
		json_string(l->on & 1u << i ? "" : layers_remedy(i));
		printf("}");
	}
	print_languages_json(in);
	printf("], \"wait_killable\": %s}\n", l->birth_flags & BIRTH_WAIT_KILLABLE ? "true" : "false");
}

static void print_table(const struct layers *l, const struct interpreter *in)
{
	if (*WITHOUT_NAME)
		printf("TEST BUILD without %s: for no machine.\n", WITHOUT_NAME);
	printf("kernel %s, Landlock ABI %d\n\n", l->kernel, l->landlock_abi);
	for (int i = 0; i < LAYER_COUNT; i++) {
		bool on = l->on & 1u << i, required = l->required & 1u << i;
		printf("%-4s %-16s %-9s %s\n", on ? "on" : required ? "MISS" : "off", layer_name(i),
		       required ? "required" : "optional", layers_purpose(i));
		if (on)
			continue;
		printf("     %-16s why: %s\n", "", l->why[i]);
		printf("     %-16s it means: %s\n", "", layers_lost(i));
		printf("     %-16s needs: Linux %s; %s\n", "", layers_since(i), layers_remedy(i));
	}
	if (!(l->birth_flags & BIRTH_WAIT_KILLABLE))
		printf("%-4s %-16s %-9s %s\n     %-16s needs: Linux 5.19\n", "off", "wait_killable", "speed", "signals do not interrupt brokered calls; now they are begun anew", "");
	print_languages(in);
}

int doctor_print(const struct layers *l, const char *tracee_dir, bool json)
{
	struct interpreter in[LANGUAGE_COUNT];
	struct err e;
	int missing = layers_check(l, &e) != 0;

	for (int i = 0; i < LANGUAGE_COUNT; i++)
		interpreter_look(i, tracee_dir, &in[i]);
	if (json)
		print_json(l, in);
	else
		print_table(l, in);
	if (!json)
		printf("\n%s\n", missing ? "warderd would not start here: a required layer is missing."
		                         : "All required layers are there.");
	return missing;
}
