"""A job of half a minute that says how far it is, for jobctl spool: python test.py proc_config.cfg"""

import sys
import time
from configparser import ConfigParser

config = ConfigParser()
config.read(sys.argv[1])
size = config.getint("Proc", "Size")

total = 0
for i in range(size):
    total += i
    print("processing %d / %d" % (i + 1, size), flush=True)
    time.sleep(30 / size)

with open("results.txt", "w") as results:
    results.write("Final result is :\n%d\n" % total)
print("Done")
