import doctest
import sys
import unittest
from unittest import mock


def add(a, b):
    """
    >>> add(1, 2)
    3
    """
    return a + b


class AddTest(unittest.TestCase):
    def test_add(self):
        self.assertEqual(add(1, 2), 3)

    def test_mock(self):
        with mock.patch("__main__.add", return_value=7):
            self.assertEqual(add(1, 1), 7)

    def test_raises(self):
        with self.assertRaises(TypeError):
            add(1, "a")


result = unittest.TextTestRunner(stream=open("/dev/null", "w")).run(unittest.defaultTestLoader.loadTestsFromTestCase(AddTest))
print(result.testsRun, result.wasSuccessful(), doctest.testmod(sys.modules["__main__"]))
