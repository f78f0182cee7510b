/* processes_report.c -- what `skate ps` shows of a node of processes: who is there, and what runs in each; and what a viewer may do to them. */
#include "processes.h"

#include "session.h"
#include "task.h"

#include <signal.h>

static void describe(const pn_worker *w, sk_runfile_row *row)
{
    *row = (sk_runfile_row){ .pid = (int32_t)w->process.child.pid };
    if (!w->run)
        return;
    row->is_blocked = w->run->blocked;
    /* A body that nobody wants may outlive its task, whose record is another's then. Under way it is there: it ends with the turn only. */
    bool is_task = !w->run->unwanted && sk_task_is_under_way(w->run->task);
    snprintf(row->task, sizeof row->task, "%s", is_task ? sk_task_name_of(sk_task_at(w->run->task)) : w->run->fn->name);
}

pnode *pn_take_turn(void)
{
    pnode *n = (pnode *)sk_session.backend;
    pn_lock_turn(n);
    return n;
}

/* It looks, and calls nothing of the graph. */
void pn_report(sk_runfile *file)
{
    pnode *n = pn_take_turn();
    pthread_mutex_lock(&n->store_lock);
    file->store_spilled = sk_shm_spilled(n->store);
    pthread_mutex_unlock(&n->store_lock);
    file->worker_processes = n->up;
    memset(file->rows, 0, sizeof file->rows);
    file->nrows = 0;
    for (unsigned i = 0; i < n->nactive && file->nrows < SK_RUNFILE_ROWS; i++)
        if (n->active[i]->state == PN_UP)
            describe(n->active[i], &file->rows[file->nrows++]);
    pthread_mutex_unlock(&n->turn);
}

/* The process dies, and what that means is found out as if nobody had meant it. The rows of a chart are not processes: the task that runs there leads
 * to its process. */
bool pn_kill_worker(int node, int worker, char *why, size_t room)
{
    if (worker < 0) {
        snprintf(why, room, "node %d %s", node, node == 0 ? "is the program itself: only its workers can be killed from here" : "is not there");
        return false;
    }
    pnode *n = pn_take_turn();
    bool found = false;
    for (unsigned i = 0; i < n->nactive && !found; i++) {
        pn_worker *w = n->active[i];
        found = w->state == PN_UP && !w->doomed && w->host->number == node && w->run && w->run->row == worker;
        if (found) {
            w->doomed = true;              /* takes no other task meanwhile */
            pn_signal(w, SIGKILL);
        }
    }
    if (found)
        pn_ring_anyway(n);                 /* to another node it goes as a message */
    pthread_mutex_unlock(&n->turn);
    if (!found)
        snprintf(why, room, "on worker %d of node %d no task runs now, so there is no process to kill", worker, node);
    return found;
}
