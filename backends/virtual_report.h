/* virtual_report.h -- what the fault simulator (tests/faults) asks of a simulated cluster, and no API shows. It reads traces too, whose sk_event
 * is another than that of events.h: so it cannot include virtual.h. */
#ifndef SK_VIRTUAL_REPORT_H
#define SK_VIRTUAL_REPORT_H

#include "cluster_file.h"

/* Of the run there is: crashes, freezes, slow nodes, cuts, nodes taken for dead. */
void sk_virtual_report(uint64_t struck[SK_FAULT_RATES + 1]);

#endif
