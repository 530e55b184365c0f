#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* Loads a file with this text. */
static int load(const char *text, struct config *c, struct policy_errors *es)
{
	char path[] = "/tmp/warder-config-XXXXXX";
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	r = config_load(path, c, es);
	unlink(path);
	return r;
}

static void without_a_file_the_defaults_hold(void **state)
{
	struct policy_errors es = {0};
	struct config c;

	(void)state;
	assert_int_equal(config_load(NULL, &c, &es), 0);
	assert_null(c.socket_path);
	assert_null(c.policy_dirs);
	assert_int_equal(c.socket_mode, 0660);
	assert_int_equal(c.pool_min, 4);
	assert_int_equal(c.pool_max, 16);
	assert_int_equal(c.queue_length, 256);
	assert_int_equal(c.queue_per_tenant, 256);
	assert_int_equal(c.max_message_mib, 128);
	assert_int_equal(c.drain_ms, 5000);
	assert_int_equal(c.log_level, LOG_INFO);
	assert_int_equal(c.operators[0], geteuid());
	assert_int_equal(c.operators[c.n_operators - 1], 0);
	config_done(&c);
}

static void a_whole_file_is_taken(void **state)
{
	struct policy_errors es = {0};
	struct config c;

	(void)state;
	assert_int_equal(
		load("socket: {path: /run/w.sock, mode: 0600, group: root}\nworkers: 1\npolicy_dirs: [/a, /b]\n"
		     "operators: [root, 1000]\ninstallers: [4242]\nrequire: [ptrace]\noptional: [landlock, identity]\npool: {min: 2, max: "
		     "3}\n"
		     "queue: {length: 10, per_tenant: 5}\nmax_message_mib: 1\ndrain_ms: 7\nlog: {level: debug, format: "
		     "logfmt}\n",
		     &c, &es),
		0);
	assert_string_equal(c.socket_path, "/run/w.sock");
	assert_int_equal(c.socket_mode, 0600);
	assert_string_equal(c.socket_group, "root");
	assert_string_equal(c.policy_dirs[1], "/b");
	assert_null(c.policy_dirs[2]);
	assert_int_equal(c.n_operators, 2);
	assert_int_equal(c.operators[1], 1000);
	assert_int_equal(c.n_installers, 1);
	assert_int_equal(c.installers[0], 4242);
	assert_int_equal(c.require, 1u << LAYER_PTRACE);
	assert_int_equal(c.optional, 1u << LAYER_LANDLOCK | 1u << LAYER_IDENTITY);
	assert_int_equal(c.pool_min, 2);
	assert_int_equal(c.pool_max, 3);
	assert_int_equal(c.queue_per_tenant, 5);
	assert_int_equal(c.max_message_mib, 1);
	assert_int_equal(c.drain_ms, 7);
	assert_int_equal(c.log_level, LOG_DEBUG);
	config_done(&c);
	config_done(&c); /* harmless */
}

static void silent_halves_follow_the_other(void **state)
{
	struct policy_errors es = {0};
	struct config c;

	(void)state;
	assert_int_equal(load("pool: {min: 40}\nqueue: {length: 9}\noperators: []\n", &c, &es), 0);
	assert_int_equal(c.pool_max, 40);
	assert_int_equal(c.queue_per_tenant, 9);
	assert_int_equal(c.n_operators, 0);
	config_done(&c);
	assert_int_equal(load("pool: {max: 2}\n", &c, &es), 0);
	assert_int_equal(c.pool_min, 2);
	config_done(&c);
}

static const struct {
	const char *text, *expected;
} refused[] = {
	{"", "1:1: empty"},
	{"- a\n", "1:1: must be a mapping"},
	{"sockets: 1\n", "1:1: sockets: unknown key"},
	{"socket: {pth: /a}\n", "1:10: socket: pth: unknown key"},
	{"socket: {path: a}\n", "1:16: socket.path: must be an absolute path, is a"},
	{"socket: {mode: 0999}\n", "1:16: socket.mode: must be octal"},
	{"socket: {mode: 0444}\n", "1:16: socket.mode: must be octal"},
	{"socket: {mode: 1777}\n", "1:16: socket.mode: must be octal"},
	{"socket: {group: nogroup-of-this-name}\n", "1:17: socket.group: no group nogroup-of-this-name"},
	{"workers: 0\n", "1:10: workers: must be 1 to 256, is 0"},
	{"zygote: {max_jobs: 0}\n", "1:20: zygote.max_jobs: must be 1 to 1000000000, is 0"},
	{"proxy: {}\n", "1:8: proxy: names no proxy"},
	{"proxy: {no_proxy: [a]}\n", "1:8: proxy: names no proxy"},
	{"proxy: {ftp: a:1}\n", "1:9: proxy: ftp: unknown key"},
	{"proxy: {http: a}\n", "1:15: proxy.http: must be a URL or HOST:PORT, with one host and one port"},
	{"proxy: {http: \"[::1]\"}\n", "1:15: proxy.http: must be a URL or HOST:PORT, with one host and one port"},
	{"proxy: {http: \"10.0.0.0/8:80\"}\n", "1:15: proxy.http: must be a URL or HOST:PORT, with one host and one port"},
	{"proxy: {http: \"*:80\"}\n", "1:15: proxy.http: must be a URL or HOST:PORT, with one host and one port"},
	{"proxy: {http: \"http://:80\"}\n", "1:15: proxy.http: not a host name"},
	{"proxy: {http: \"a:0\"}\n", "1:15: proxy.http: the port must be 1 to 65535"},
	{"proxy: {http: \"a:80/path\"}\n", "1:15: proxy.http: the port must be 1 to 65535"},
	{"proxy: {http: \"a:99999\"}\n", "1:15: proxy.http: the port must be 1 to 65535"},
	{"proxy: {http: \"a b:80\"}\n", "1:15: proxy.http: must be printable ASCII without spaces"},
	{"proxy: {https: \"socks5://a:80\"}\n", "1:16: proxy.https: must be http://, https:// or HOST:PORT"},
	{"proxy: {socks5: \"http://a:80\"}\n", "1:17: proxy.socks5: must be socks5h://, socks5:// or HOST:PORT"},
	{"proxy: {http: \"a:80\", no_proxy: a}\n", "1:33: proxy.no_proxy: must be a list"},
	{"proxy: {http: \"a:80\", no_proxy: [\"a,b\"]}\n", "1:34: proxy.no_proxy: must be one host"},
	{"proxy: {http: \"a:80\", no_proxy: [\"a:80\"]}\n", "1:34: proxy.no_proxy: must be a host, a domain, an address or a CIDR, without a port"},
	{"proxy: {http: \"a:80\", no_proxy: [\"10.0.0.1/8\"]}\n", "1:34: proxy.no_proxy: the address has bits below its prefix"},
	{"log: {format: xml}\n", "1:15: log.format: must be logfmt or json, is xml"},
	{"log: {level: loud}\n", "1:14: log.level: unknown level loud"},
	{"policy_dirs: /a\n", "1:14: policy_dirs: must be a list"},
	{"policy_dirs: [a]\n", "1:15: policy_dirs: must be absolute paths"},
	{"operators: [nobody-of-this-name]\n", "1:13: operators: no user nobody-of-this-name"},
	{"installers: [nobody-of-this-name]\n", "1:14: installers: no user nobody-of-this-name"},
	{"operators: [4294967295]\n", "1:13: operators: no user 4294967295"},
	{"require: [landlok]\n", "1:11: require: unknown layer landlok"},
	{"require: [ptrace]\noptional: [ptrace]\n", "2:11: ptrace: both required and optional"},
	{"optional: [seccomp]\n", "1:11: optional: seccomp and broker are always required"},
	{"pool: {min: 5, max: 4}\n", "1:7: pool: min (5) is above max (4)"},
	{"pool: {min: 0}\n", "1:13: pool.min: must be 1 to 1024, is 0"},
	{"queue: {length: 5, per_tenant: 6}\n", "1:8: queue: per_tenant (6) is above length (5)"},
	{"max_message_mib: 99999\n", "1:18: max_message_mib: must be 1 to 1024, is 99999"},
	{"drain_ms: soon\n", "1:11: drain_ms: must be 1 to 3600000, is soon"},
	{"drain_ms: 1\ndrain_ms: 2\n", "2:1: drain_ms: given twice, first in line 1"},
	{"pool: [1, 2]\n", "1:7: pool: must be a mapping"},
	{"drain_ms: {a\n", "2:1: "},
};

static void wrong_files_are_refused_with_their_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(refused); i++) {
		struct policy_errors es = {0};
		struct config c;
		char line[1024] = "nothing told";
		int r = load(refused[i].text, &c, &es);

		if (es.n)
			snprintf(line, sizeof(line), "%d:%d: %s", es.v[0].line, es.v[0].column, es.v[0].text);
		if (!r || strncmp(line, refused[i].expected, strlen(refused[i].expected)))
			fail_msg("%s: expected %s, got %s", refused[i].text, refused[i].expected, line);
		assert_non_null(strstr(es.v[0].file, "/tmp/warder-config-"));
		policy_errors_done(&es);
		config_done(&c);
	}
}

static const char *const proxied[] = {
	"HTTP_PROXY=http://proxy.test:3128", "http_proxy=http://proxy.test:3128",
	"HTTPS_PROXY=http://user:word@[fd00::1]:3129/", "https_proxy=http://user:word@[fd00::1]:3129/",
	"ALL_PROXY=socks5h://10.0.0.1:1080", "all_proxy=socks5h://10.0.0.1:1080",
	"NO_PROXY=localhost,.internal,10.0.0.0/8", "no_proxy=localhost,.internal,10.0.0.0/8",
};

static void proxies_become_variables_in_both_letter_cases(void **state)
{
	struct policy_errors es = {0};
	struct config c;
	size_t i;

	(void)state;
	assert_int_equal(load("proxy: {http: \"proxy.test:3128\", https: \"http://user:word@[fd00::1]:3129/\","
	                      " socks5: \"10.0.0.1:1080\", no_proxy: [localhost, .internal, 10.0.0.0/8]}\n", &c, &es), 0);
	for (i = 0; c.proxy.env[i]; i++)
		assert_string_equal(c.proxy.env[i], proxied[i]);
	assert_int_equal(i, N(proxied));
	assert_int_equal(c.proxy.route.n_servers, 3);
	assert_string_equal(c.proxy.route.servers[PROXY_HTTP].name, "proxy.test");
	assert_int_equal(c.proxy.route.servers[PROXY_HTTPS].port_lo, 3129);
	assert_int_equal(c.proxy.route.servers[PROXY_SOCKS5].prefix, 128);
	assert_true(route_is_direct(&c.proxy.route, "db.internal", NULL));
	assert_true(route_is_direct(&c.proxy.route, "internal", NULL));
	assert_false(route_is_direct(&c.proxy.route, "notinternal", NULL));
	assert_true(route_is_direct(&c.proxy.route, NULL, &(struct in6_addr){{{[10] = 0xff, 0xff, 10, 1, 2, 3}}}));
	assert_false(route_is_direct(&c.proxy.route, NULL, &(struct in6_addr){{{[10] = 0xff, 0xff, 11, 1, 2, 3}}}));
	config_done(&c);
	assert_int_equal(load("proxy: {http: \"https://a:1\"}\n", &c, &es), 0);
	assert_string_equal(c.proxy.env[0], "HTTP_PROXY=https://a:1");
	assert_null(c.proxy.env[2]);
	assert_false(route_is_direct(&c.proxy.route, "anywhere", NULL));
	config_done(&c);
	assert_int_equal(load("proxy: {http: \"a:1\", no_proxy: [\"*\"]}\n", &c, &es), 0);
	assert_true(route_is_direct(&c.proxy.route, "anywhere", NULL));
	config_done(&c);
}

static void a_missing_file_is_an_error(void **state)
{
	struct policy_errors es = {0};
	struct config c;

	(void)state;
	assert_int_equal(config_load("/nonexistent/warder.yaml", &c, &es), -ENOENT);
	assert_int_equal(es.n, 1);
	policy_errors_done(&es);
	config_done(&c);
}

static void others_parse_it_for_who_started(void **state)
{
	struct text t = {.path = "w", .real = "w", .data = {"log: {level: warn}\n", 19}};
	struct policy_errors es = {0};
	struct config c;

	(void)state;
	assert_int_equal(config_parse(&t, 4242, &c, &es), 0);
	assert_int_equal(c.n_operators, 2);
	assert_int_equal(c.operators[0], 4242);
	assert_int_equal(c.operators[1], 0);
	config_done(&c);
}

static void a_reload_keeps_what_needs_a_start(void **state)
{
	struct policy_errors es = {0};
	struct config c, started;
	char names[100];

	(void)state;
	assert_int_equal(load("socket: {path: /a}\nqueue: {length: 5}\n", &started, &es), 0);
	assert_int_equal(load("socket: {path: /b, mode: 0600}\nmax_message_mib: 3\nqueue: {length: 6}\n", &c, &es), 0);
	config_keep(&c, &started, names, sizeof(names));
	assert_string_equal(names, "socket.path,socket.mode,max_message_mib");
	assert_string_equal(c.socket_path, "/a");
	assert_int_equal(c.socket_mode, 0660);
	assert_int_equal(c.max_message_mib, 128);
	assert_int_equal(c.queue_length, 6);
	config_keep(&c, &started, names, sizeof(names));
	assert_string_equal(names, "");
	config_done(&c);
	config_done(&started);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_file_the_defaults_hold),
		cmocka_unit_test(a_whole_file_is_taken),
		cmocka_unit_test(silent_halves_follow_the_other),
		cmocka_unit_test(wrong_files_are_refused_with_their_place),
		cmocka_unit_test(proxies_become_variables_in_both_letter_cases),
		cmocka_unit_test(a_missing_file_is_an_error),
		cmocka_unit_test(others_parse_it_for_who_started),
		cmocka_unit_test(a_reload_keeps_what_needs_a_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
