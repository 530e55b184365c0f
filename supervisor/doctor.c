#include "doctor.h"

#include <stdio.h>

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

static void print_json(const struct layers *l)
{
	printf("{\"kernel\": ");
	json_string(l->kernel);
	printf(", \"landlock_abi\": %d, \"layers\": [", l->landlock_abi);
	for (int i = 0; i < LAYER_COUNT; i++) {
		printf("%s{\"name\": \"%s\", \"on\": %s, \"required\": %s, \"purpose\": ", i ? ", " : "", layer_name(i),
		       l->on & 1u << i ? "true" : "false", l->required & 1u << i ? "true" : "false");
		json_string(layers_purpose(i));
		printf(", \"why\": ");
		json_string(l->why[i]);
		printf(", \"remedy\": ");
		json_string(l->on & 1u << i ? "" : layers_remedy(i));
		printf("}");
	}
	printf("]}\n");
}

static void print_table(const struct layers *l)
{
	printf("kernel %s, Landlock ABI %d\n\n", l->kernel, l->landlock_abi);
	for (int i = 0; i < LAYER_COUNT; i++) {
		bool on = l->on & 1u << i, required = l->required & 1u << i;
		printf("%-4s %-16s %-9s %s\n", on ? "on" : required ? "MISS" : "off", layer_name(i),
		       required ? "required" : "optional", layers_purpose(i));
		if (!on)
			printf("     %-16s why: %s\n", "", l->why[i]);
		if (!on && *layers_remedy(i))
			printf("     %-16s get it by: %s\n", "", layers_remedy(i));
	}
}

int doctor_print(const struct layers *l, bool json)
{
	struct err e;
	int missing = layers_check(l, &e) != 0;

	if (json)
		print_json(l);
	else
		print_table(l);
	if (!json)
		printf("\n%s\n", missing ? "warderd would not start here: a required layer is missing."
		                         : "All required layers are there.");
	return missing;
}
