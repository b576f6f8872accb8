"""A Ray cluster of three nodes on this machine, each with a processor: says its address, and kills a node on each line.

Ray warns while it is imported, and warnings are errors in tests; so it runs by itself.
"""

import sys

from ray.cluster_utils import Cluster

if __name__ == "__main__":
    options = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args=options)
    nodes = [cluster.add_node(num_cpus=1, object_store_memory=80_000_000) for _ in range(2)]
    sys.stdout.write(f"{cluster.address}\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        cluster.remove_node(nodes.pop(), allow_graceful=False)
        sys.stdout.write("killed\n")
        sys.stdout.flush()
    cluster.shutdown()
