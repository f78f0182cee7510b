/* processes_report.c -- what `skate ps` shows of a node of processes: who is there, and what runs in each. */
#include "processes.h"

#include "session.h"
#include "task.h"

static void describe(const pn_worker *w, sk_runfile_row *row)
{
    *row = (sk_runfile_row){ .pid = (int32_t)w->child.pid };
    if (!w->run)
        return;
    row->is_blocked = w->run->blocked;
    snprintf(row->task, sizeof row->task, "%s", sk_task_name_of(sk_task_at(w->run->task)));
}

/* By a thread without a lane, so not by pn_enter: it looks, and calls nothing of the graph. */
void pn_report(sk_runfile *file)
{
    pnode *n = (pnode *)sk_session.backend;
    atomic_fetch_add_explicit(&n->entering, 1, seq_cst);
    pthread_mutex_lock(&n->turn);
    atomic_fetch_sub_explicit(&n->entering, 1, seq_cst);
    pthread_mutex_lock(&n->store_lock);
    file->store_spilled = sk_shm_spilled(n->store);
    pthread_mutex_unlock(&n->store_lock);
    file->worker_processes = n->up;
    memset(file->rows, 0, sizeof file->rows);
    file->nrows = 0;
    for (unsigned i = 0; i < n->nslots && file->nrows < SK_RUNFILE_ROWS; i++)
        if (n->workers[i].state == PN_UP)
            describe(&n->workers[i], &file->rows[file->nrows++]);
    pthread_mutex_unlock(&n->turn);
}
