#!/usr/bin/python3
"""python_bench.py -- rows of skate_bench and skate_node with Python's process pools: multiprocessing.Pool and Dask.

    python_bench.py pool|dask [ROW...] [--rows] [--help]

Arguments, environment and lines of output as in bench.h. The work is that of the programs in ../shared/peers (pool.py, bench.py),
with our names: spawn_10k is apply_async and submit, map_10k is Pool.map with chunksize 1 and Client.map. Dask's processes are
connected by tcp on loopback: its ping_wait and spawn_10k are also ping_tcp and pipe_tcp, beside skate_cluster's.
Arrays go through NumPy, as a student would have them; without it their rows are left out. Dask does 300 tasks for 10,000
(it takes 2 ms for each), and what takes it or the pool many seconds is done once. arr_256x1M moves 12 GB through pipes: 16x1M is
there for figures from every round (half a second in C, ten in the pool).

Reading order: 1 the work; 2 the rows of both; 3 the pool; 4 Dask; 5 main.
"""
import gc
import logging
import os
import statistics
import sys
import time

try:
    import numpy
except ImportError:
    numpy = None

WORKERS = int(os.environ.get("W") or 2)
REPS = int(os.environ.get("REPS") or 7)
SMALL = bool(int(os.environ.get("SMALL") or 0))
PATIENCE = float(os.environ.get("PATIENCE") or 60)          # seconds for a sum of arrays; then that row is left out
now = time.perf_counter


def n_of(whole):
    return max(4, whole // 100 if SMALL else whole)


# ---- 1. The work: by name, in worker processes ----------------------------------------------------

def nothing():
    return 1


def same(x):
    return x


def fill(n, number):
    return numpy.arange(n, dtype=numpy.float64) + number


def add(a, b):
    return a + b


def expect(what, found, expected):
    if found != expected:
        sys.exit("%s: found %s, expected %s" % (what, found, expected))


# ---- 2. The rows of both: `system` has submit(fn, *arguments) -> something with a result ----------

def ping_wait(system):
    times = []
    for _ in range(n_of(system.PINGS)):
        start = now()
        system.call(nothing)
        times.append((now() - start) * 1e6)
    return statistics.median(times)


def ping_tcp(system):
    return ping_wait(system)


def spawn_10k(system):
    n = n_of(system.TASKS)
    start = now()
    answers = [system.submit(nothing) for _ in range(n)]
    total = sum(system.result(a) for a in answers)
    seconds = now() - start
    expect("spawn_10k", total, n)
    return n / seconds


def pipe_tcp(system):
    return spawn_10k(system)


def map_10k(system):
    n = n_of(system.TASKS)
    start = now()
    answers = system.map(same, range(n))
    seconds = now() - start
    expect("map_10k", sum(answers), n * (n - 1) // 2)
    return n / seconds


class TooLong(Exception):
    pass


def arrays(system, count, n):
    """Made in tasks; two are taken from the front and added, their sum goes to the back."""
    start = now()
    end = start + PATIENCE
    queue = [system.submit(fill, n, i) for i in range(count)]
    for k in range(count - 1):
        if now() > end:
            raise TooLong("%d of %d sums after %.0f s" % (k, count - 1, PATIENCE))
        queue.append(system.submit(add, system.argument(queue[2 * k]), system.argument(queue[2 * k + 1])))
        queue[2 * k] = queue[2 * k + 1] = None          # as in the other programs: nobody needs them any more
    total = system.result(queue[-1], max(0, end - now()))
    ms = (now() - start) * 1e3
    first = count * (count - 1) / 2
    expect("first element of the sum", total[0], first)
    expect("last element of the sum", total[n - 1], first + count * (n - 1))
    return ms


def arr_100x1000(system):
    return arrays(system, n_of(100), n_of(1000))


def arr_16x1M(system):
    return arrays(system, n_of(16), n_of(1000000))


def arr_256x1M(system):
    return arrays(system, n_of(256), n_of(1000000))


def put_100MB(system):
    source = numpy.arange(n_of(12500000), dtype=numpy.float64)
    start = now()
    system.put(source)
    return source.nbytes * 1e-9 / (now() - start)


def startup_4(system):
    start = now()
    with system.start(4) as other:
        ms = (now() - start) * 1e3
        expect("workers", other.count(), 4)
        return ms


def mem_worker(system):
    sizes = []
    for pid in system.pids():
        with open("/proc/%d/smaps_rollup" % pid) as lines:
            sizes += [int(line.split()[1]) * 1024e-6 for line in lines if line.startswith("Pss:")]
    return statistics.mean(sizes)


ARRAYS, ONCE, TCP = 1, 2, 4         # needs NumPy; is done once, not warmed up: it takes seconds, or starts processes; only where tasks go over tcp
ROWS = [
    (ping_wait, "us", 0),
    (ping_tcp, "us", TCP),
    (spawn_10k, "tasks/s", 0),
    (pipe_tcp, "tasks/s", TCP),
    (map_10k, "tasks/s", 0),
    (arr_100x1000, "ms", ARRAYS),
    (arr_16x1M, "ms", ARRAYS | ONCE),
    (put_100MB, "GB/s", ARRAYS),
    (startup_4, "ms", ONCE),
    (mem_worker, "MB", ONCE),
    (arr_256x1M, "ms", ARRAYS | ONCE),
]


# ---- 3. The pool ----------------------------------------------------------------------------------

class Pool:
    """multiprocessing.Pool; startup_4 is its making and the first map."""
    PINGS, TASKS = 2000, 10000

    def __init__(self, workers):
        import multiprocessing
        self.pool = multiprocessing.Pool(workers)
        self.pool.map(same, range(workers), chunksize=1)
        self.call = lambda fn: self.pool.apply(fn)
        self.map = lambda fn, of: self.pool.map(fn, of, chunksize=1)

    start = classmethod(lambda cls, workers: cls(workers))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pool.terminate()
        self.pool.join()

    def submit(self, fn, *arguments):
        return self.pool.apply_async(fn, arguments)

    def result(self, answer, timeout=None):
        import multiprocessing
        try:
            return answer.get(timeout)
        except multiprocessing.TimeoutError:
            raise TooLong("the last sum is not there after %.0f s" % PATIENCE)

    argument = result                   # a task of the pool cannot wait for another: the driver does

    def put(self, array):
        """Into shared memory, as a student who wants to share an array would."""
        from multiprocessing import shared_memory
        block = shared_memory.SharedMemory(create=True, size=array.nbytes)
        view = numpy.ndarray(array.shape, dtype=array.dtype, buffer=block.buf)
        view[:] = array
        del view
        block.close()
        block.unlink()

    def pids(self):
        return [process.pid for process in self.pool._pool]

    def count(self):
        return len(self.pids())


# ---- 4. Dask --------------------------------------------------------------------------------------

class Dask:
    """A LocalCluster of processes with one thread each; startup_4 is its making and the first map."""
    PINGS, TASKS = 300, 300

    def __init__(self, workers):
        from dask.distributed import Client, LocalCluster
        self.cluster = LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0",
                                    host="127.0.0.1", protocol="tcp", silence_logs=logging.CRITICAL)
        self.client = Client(self.cluster)
        self.map(same, range(workers))
        self.put = lambda array: self.client.scatter(array)

    start = classmethod(lambda cls, workers: cls(workers))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()
        self.cluster.close()

    def call(self, fn):
        return self.submit(fn).result()

    def submit(self, fn, *arguments):
        return self.client.submit(fn, *arguments, pure=False)

    def map(self, fn, of):
        return self.client.gather(self.client.map(fn, of, pure=False))

    def result(self, answer, timeout=None):
        from dask.distributed import TimeoutError
        try:
            return answer.result(timeout)
        except TimeoutError:
            raise TooLong("the last sum is not there after %.0f s" % PATIENCE)

    def argument(self, answer):
        return answer

    def pids(self):
        return list(self.client.run(os.getpid).values())

    def count(self):
        return len(self.pids())


# ---- 5. Main --------------------------------------------------------------------------------------

def main(arguments):
    systems = {"pool": Pool, "dask": Dask}
    if "--help" in arguments or not arguments or arguments[0] not in systems:
        print(__doc__.strip())
        return 0 if "--help" in arguments else 2
    name = arguments[0]
    rows = [row for row in ROWS if name == "dask" or not row[2] & TCP]
    names = [row.__name__ for row, _, _ in rows]
    if "--rows" in arguments:
        print("\n".join(names))
        return 0
    wanted = [a for a in arguments[1:] if not a.startswith("--")]
    chosen = [r for r in rows if not wanted
              or any(r[0].__name__ == w if w in names else w in r[0].__name__ for w in wanted)]
    label = name + ("@1" if WORKERS == 1 else "") + ("@small" if SMALL else "")
    with systems[name](WORKERS) as system:
        for row, unit, how in chosen:
            if how & ARRAYS and not numpy:
                print("# %s: %s left out: there is no NumPy here (Debian: apt-get install python3-numpy)" % (name, row.__name__))
                continue
            try:
                if not how & ONCE:
                    row(system)
                figures = sorted(row(system) for _ in range(1 if how & ONCE else REPS))
            except TooLong as why:
                print("# %s: %s left out: it takes too long: %s" % (name, row.__name__, why), flush=True)
                return 0                                    # what is under way would disturb the next row
            gc.collect()
            print("%s %s %.6g %s %.6g %.6g %d" % (label, row.__name__, statistics.median(figures), unit, figures[0], figures[-1],
                                                  len(figures)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
