/* tree_simgrid.cpp -- the tree of tree.h on SimGrid; prints when its last task ended, in seconds. tests/simgrid/run compares.
 *
 * An actor is a task. It waits until its operands are made; then for its node's one worker, first come first served; fetches, both at
 * once, what lies elsewhere; and computes. Between two hosts there are a link up and one down, each with half of the latency. The
 * factors with which SimGrid makes its network resemble TCP are set to one, which leaves latency and max-min fair bandwidth. */
#include <simgrid/engine.h>
#include <simgrid/s4u.hpp>
#include <vector>

#include "tree.h"

namespace sg4 = simgrid::s4u;

static tree t;
static double last;
static std::vector<sg4::Host *> hosts;
static std::vector<sg4::SemaphorePtr> made, worker;

static void make_platform()
{
    auto *zone = sg4::create_star_zone("zone");
    for (int i = 0; i < t.nodes; i++) {
        auto *host = zone->create_host("h" + std::to_string(i), 1e9)->seal();
        auto *link = zone->create_split_duplex_link("l" + std::to_string(i), t.bandwidth_mb * 1e6)->set_latency(t.latency_us * 0.5e-6)->seal();
        zone->add_route(host->get_netpoint(), nullptr, nullptr, nullptr,
                        std::vector<sg4::LinkInRoute>{{link, sg4::LinkInRoute::Direction::UP}}, true);
        hosts.push_back(host);
        worker.push_back(sg4::Semaphore::create(1));
    }
    zone->seal();
}

static void task(int i)
{
    int node = tree_node(&t, i);
    if (i < t.leaves)
        for (int child = 2 * i; child <= 2 * i + 1; child++)
            made[child]->acquire();
    worker[node]->acquire();
    std::vector<sg4::CommPtr> fetches;
    if (i < t.leaves)
        for (int child = 2 * i; child <= 2 * i + 1; child++)
            if (tree_node(&t, child) != node)
                fetches.push_back(sg4::Comm::sendto_async(hosts[tree_node(&t, child)], hosts[node], (uint64_t)t.bytes));
    for (auto &fetch : fetches)
        fetch->wait();
    sg4::this_actor::execute(t.work_us * 1e3);
    last = sg4::Engine::get_clock();
    worker[node]->release();
    made[i]->release();
}

int main(int argc, char **argv)
{
    sg4::Engine engine(&argc, argv);
    for (const char *setting : { "network/model:CM02", "network/TCP-gamma:0", "network/bandwidth-factor:1", "network/latency-factor:1",
                                 "network/weight-S:0", "network/crosstraffic:0" })
        sg4::Engine::set_config(setting);
    t = tree_read(argc, argv);
    make_platform();
    made.resize(2 * t.leaves);
    for (int i = 1; i < 2 * t.leaves; i++)
        made[i] = sg4::Semaphore::create(0);
    for (int k = 0; k < 2 * t.leaves - 1; k++) {
        int i = k < t.leaves ? t.leaves + k : 2 * t.leaves - 1 - k;
        sg4::Actor::create("task", hosts[tree_node(&t, i)], task, i);
    }
    engine.run();
    printf("%.9f\n", last);
    return 0;
}
