"""Descriptors: none is inherited, none is left over, and a full or empty table harms only the job itself."""
import unittest

import lab


class Descriptors(lab.AttackCase):
    def test_only_stdio_is_open_at_the_start(self):
        told = self.ask('''
        room = (ctypes.c_int * 4096)()
        n = so("raw").open_descriptors(room, 4096)
        tell(open=list(room[:n]))
        ''')
        self.assertEqual(told["open"], [0, 1, 2])

    def test_stdio_leads_to_this_job_only(self):
        told = self.ask('''
        import stat
        kinds = [stat.S_IFMT(os.fstat(fd).st_mode) for fd in (0, 1, 2)]
        got = {"stdin reads": os.read(0, 10).decode()}
        for fd in (0, 1, 2):
            got[f"reopened {fd}"] = str(err(os.open, f"/proc/self/fd/{fd}", os.O_RDWR))
            got[f"by dev {fd}"] = str(err(os.open, f"/dev/fd/{fd}", os.O_RDWR))
        tell(**got)
        ''')
        self.assertEqual(told["stdin reads"], "")

    def test_everything_closed(self):
        r = self.attack('''
        raw(CLOSE_RANGE, 0, 0xffffffff, 0)
        fd = os.open(ROOT + "/open/secret", os.O_RDONLY)
        ok = os.read(fd, 7) == b"ALLOWED"
        os._exit(40 + ok)
        ''', {"CLOSE_RANGE": lab.nr("close_range")})
        self.assertEqual((r["outcome"], r["exit_code"], r["stdout"]), ("exited", 41, b""), lab.brief(r))

    def test_stdio_closed_or_replaced(self):
        for code in ("os.close(0); os.close(1); os.close(2)", "os.close(1); os.open('/dev/null', os.O_RDWR)",
                     "fd = os.open('/tmp/log', os.O_RDWR | os.O_CREAT); os.dup2(fd, 1); os.dup2(fd, 2); print('x' * 100000)",
                     "r, w = os.pipe(); os.dup2(w, 1); os.dup2(w, 2); os.close(r)"):
            with self.subTest(code=code):
                r = self.attack(code + "\nos._exit(6)")
                self.assertEqual((r["outcome"], r["exit_code"]), ("exited", 6), lab.brief(r))

    def test_the_other_ends_of_its_pipes_cannot_be_had(self):
        # a pipe's reader could read what the job wrote before, a writer of stdin feed it
        told = self.ask('''
        got = {}
        for call in (lambda: os.read(1, 1), lambda: os.write(0, b"x")):
            got[str(len(got))] = str(err(call))
        tell(**got)
        ''')
        for got in told.values():
            self.assertRegex(got, "^E", told)

    def test_a_full_table_gives_emfile_and_no_more(self):
        told = self.ask('''
        held = []
        try:
            while len(held) < 100000:
                held.append(os.dup(0))
        except OSError as e:
            full = errno.errorcode[e.errno]
        opened = [err(os.open, ROOT + "/open/secret", os.O_RDONLY) for _ in range(50)]
        made = [err(os.open, "/tmp/new", os.O_RDWR | os.O_CREAT) for _ in range(50)]
        for fd in held:
            os.close(fd)
        after = [os.read(os.open(ROOT + "/open/secret", os.O_RDONLY), 7).decode() for _ in range(50)]
        tell(full=full, opened=sorted(set(map(str, opened))), made=sorted(set(map(str, made))), after=sorted(set(after)),
             n=len(held))
        ''')
        self.assertEqual((told["full"], told["opened"], told["made"], told["after"]),
                         ("EMFILE", ["EMFILE"], ["EMFILE"], ["ALLOWED"]), told)

    def test_descriptors_passed_over_a_socketpair_are_its_own(self):
        told = self.ask('''
        import array, socket
        a, b = socket.socketpair()
        f = os.open(ROOT + "/open/secret", os.O_RDONLY)
        try:
            socket.send_fds(a, [b"x"], [f])
            _, fds, _, _ = socket.recv_fds(b, 1, 1)
            got = os.read(fds[0], 7).decode()
        except OSError as e:
            got = errno.errorcode[e.errno]
        tell(got=got)
        ''')
        self.assertIn(told["got"], ("ALLOWED", "EPERM", "EACCES"))

    def test_a_thread_with_a_table_of_its_own(self):
        # CLOSE_RANGE_UNSHARE: from then on the same number means different files in two threads
        told = self.ask('''
        os.makedirs("/tmp/own")
        open("/tmp/own/secret", "w").write("OWN")
        number, got = os.open("/tmp/own", os.O_RDONLY), []
        def alone():
            unshared = name(raw(CLOSE_RANGE, 4000, 4001, 2))
            got.append(unshared)
            if unshared != 0:
                return
            base = os.open(ROOT + "/open", os.O_RDONLY)
            raw(33, base, number)
            got.append(look("secret", at=number))
            fd = raw(257, number, "secret", os.O_RDONLY, 0)
            got.append(os.pread(fd, 3, 0).decode() if fd >= 0 else name(fd))
            f = os.open(ROOT + "/open/secret", os.O_RDONLY)
            raw(33, f, number)
            got.append(name(raw(91, number, 0o777)))
            got.append(name(raw(280, number, 0, 0, 0)))
        t = threading.Thread(target=alone); t.start(); t.join()
        tell(got=got, mine=look("secret", at=number))
        ''', {"CLOSE_RANGE": lab.nr("close_range")})
        self.assertEqual(told["mine"], "OWN", told)
        if told["got"][0] != 0:  # refused: then there is but one table
            return
        _, by_read, by_pread, chmod, utime = told["got"]
        self.assertIn(by_read[:7], ("ALLOWED", "EBADF", "ENOTDIR"), told)
        self.assertIn(by_pread, ("ALL", "EBADF", "ENOTDIR"), told)
        self.assertRegex(str(chmod), "^E", told)
        self.assertRegex(str(utime), "^E", told)

    def test_a_descriptor_that_closes_under_a_pending_call(self):
        # dirfd closed and reused between the call and its answer: the answer is about one of them, never a mix
        told = self.ask('''
        sys.setswitchinterval(1e-5)
        stop = False
        base = os.open(ROOT + "/open", os.O_RDONLY)
        at = os.dup(base)
        def churn():
            while not stop:
                try:
                    os.close(at)
                except OSError:
                    pass
                raw(33, base, at)
        t = threading.Thread(target=churn); t.start()
        seen = {}
        for _ in range(1000):
            ret = raw(257, at, "secret", 0, 0)
            if ret >= 0:
                data = os.pread(ret, 7, 0) if ret != at else b"its own number"
                err(os.close, ret)  # the other thread may have been faster
                seen[data.decode()] = seen.get(data.decode(), 0) + 1
            else:
                seen[name(ret)] = seen.get(name(ret), 0) + 1
        stop = True; t.join()
        tell(**seen)
        ''')
        self.assertLessEqual(set(told), {"ALLOWED", "its own number", "EBADF", "ENOTDIR", "ENOENT"}, told)


if __name__ == "__main__":
    unittest.main()
