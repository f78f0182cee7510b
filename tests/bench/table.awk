# table.awk -- makes tables of a run's lines (round system metric median unit min max runs) and the
# goals: what we measured, what must be reached, how many times better than each peer we are; and what the machine itself took. One table for each
# backend of Skate. Processes are beside process pools, memcpy and our threads; tcp beside TCP itself and Dask; the others beside the thread peers.
#
# awk -v workers=N -v json=FILE -v machine=TEXT -v noisy=0|1 -f table.awk goals LINES

function median(list, n,    i, k, x)            # sorts list[1..n]
{
    for (i = 2; i <= n; i++) {
        x = list[i]
        for (k = i - 1; k >= 1 && list[k] > x; k--)
            list[k + 1] = list[k]
        list[k + 1] = x
    }
    return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}

function more_is_better(row)
{
    return unit[row] ~ /\/s$/ || unit[row] == "events"
}

function short(x)
{
    if (x >= 1e9) return sprintf("%.3gG", x / 1e9)
    if (x >= 1e6) return sprintf("%.3gM", x / 1e6)
    if (x >= 1e4) return sprintf("%.3gk", x / 1e3)
    return sprintf("%.3g", x)
}

function figure(who, row,    n, list, r)        # median of the rounds' medians
{
    for (r = 1; r <= rounds; r++)
        if ((r, who, row) in value)
            list[++n] = value[r, who, row]
    return n ? median(list, n) : ""
}

function ratio(us, who, row,    n, list, r, a, b)   # the same of ours to theirs
{
    for (r = 1; r <= rounds; r++) {
        if (!((r, us, row) in value) || !((r, who, row) in value))
            continue
        a = value[r, us, row]; b = value[r, who, row]
        if (a > 0 && b > 0)
            list[++n] = more_is_better(row) ? a / b : b / a
    }
    return n ? median(list, n) : ""
}

function is_ours(who)    { return who ~ /^skate/ }
function backend(who)    { sub(/@.*/, "", who); return who }          # "skate-processes@1" -> "skate-processes"
function far(who)        { return who ~ /^(skate-processes|pool|dask|memcpy)/ }
function beside(us, who) { return backend(us) == "skate-tcp" ? who ~ /^(tcp|dask)/ : us != who && (far(us) ? far(who) || backend(who) == "skate" : !far(who) && !is_ours(who)) }

function new_row(row)
{
    if (row in known)
        return
    known[row] = 1
    row_name[++nrows] = row
}

function growth(row, from, to,    r, k, us)     # a row made of two others
{
    for (k = 1; k <= nours; k++)
        for (r = 1; r <= rounds; r++) {
            us = ours[k]
            if ((r, us, from) in value && (r, us, to) in value) {
                value[r, us, row] = value[r, us, to] / value[r, us, from]
                unit[row] = "times"
                new_row(row)
            }
        }
}

function mark(good)
{
    if (good) reached++; else missed++
    return good ? "ok   " : "SHORT"
}

function yes_no(known, good)
{
    return known ? good ? "true" : "false" : "null"
}

function array_of(name, list, n, last,    i)
{
    printf "\"%s\": [\n", name >json
    for (i = 1; i <= n; i++)
        printf "%s%s\n", list[i], i < n ? "," : "" >json
    print last ? "]}" : "]," >json
}

/^#/ { next }

FILENAME ~ /goals$/ { must[$1, $2, $3] = $4; aim[$1, $2, $3] = $5; next }

$2 == "#" {                                     # "round # system: metric left out: why"
    who = $3; sub(/:$/, "", who)
    why = $0; sub(/^.* left out: /, "", why); gsub(/["\\]/, "", why)
    if (!((who, $4) in is_left_out))
        left_out[++nleft_out] = sprintf("{\"system\":\"%s\",\"metric\":\"%s\",\"why\":\"%s\"}", who, $4, why)
    is_left_out[who, $4] = 1
    next
}

{
    value[$1, $2, $3] = $4
    if ($2 ~ /^host/ && !($3 in unit))
        host_row[++nhost] = $3
    unit[$3] = $5
    new_row($3)
    if ($1 > rounds)
        rounds = $1
    if (!($2 in seen)) {
        seen[$2] = 1
        if (is_ours($2)) ours[++nours] = $2
        if ($2 ~ /^host/) host = $2
        system_name[++nsystems] = $2
    }
    lines[++nlines] = sprintf("{\"round\":%d,\"system\":\"%s\",\"metric\":\"%s\",\"median\":%s," \
        "\"unit\":\"%s\",\"min\":%s,\"max\":%s,\"runs\":%d}", $1, $2, $3, $4, $5, $6, $7, $8)
}

# What the machine took meanwhile; where rounds differ by more than a fifth, the least and the most of them: then it has changed under us.
function host_line(    i, r, x, least, most, text)
{
    for (i = 1; i <= nhost; i++) {
        least = most = ""
        for (r = 1; r <= rounds; r++)
            if ((r, host, host_row[i]) in value) {
                x = value[r, host, host_row[i]]
                if (least == "" || x < least) least = x
                if (most == "" || x > most) most = x
            }
        text = text (i > 1 ? ", " : "") substr(host_row[i], 6) " " (most > 1.2 * least ? short(least) " to " short(most) : short(figure(host, host_row[i]))) " us"
    }
    return text
}

function has_row(us, row,    r)
{
    for (r = 1; r <= rounds; r++)
        if ((r, us, row) in value)
            return 1
    return 0
}

function table_of(us,    p, npeers, peer, i, row, x, goal, good, text, q)
{
    for (p = 1; p <= nsystems; p++)             # those that have a row of ours
        for (i = 1; beside(us, system_name[p]) && i <= nrows; i++)
            if (has_row(us, row_name[i]) && has_row(system_name[p], row_name[i])) {
                peer[++npeers] = system_name[p]
                break
            }
    printf "\n%-31s %15s  %-21s", "row", us, "must (aim)"
    for (p = 1; p <= npeers; p++)
        printf " %-17s", "/ " peer[p]
    print ""
    for (i = 1; i <= nrows; i++) {
        row = row_name[i]
        if (!has_row(us, row))
            continue
        x = figure(us, row)
        goal = workers == 2 && ((us, row, "-") in must)
        good = goal && (more_is_better(row) ? x >= must[us, row, "-"] : x <= must[us, row, "-"])
        text = goal ? mark(good) " " short(must[us, row, "-"]) " (" short(aim[us, row, "-"]) ")" : ""
        printf "%-31s %15s  %-21s", row, short(x) " " unit[row], text
        medians[++nmedians] = sprintf("{\"metric\":\"%s\",\"system\":\"%s\",\"median\":%s," \
            "\"unit\":\"%s\",\"must\":%s,\"aim\":%s,\"ok\":%s}", row, us, x, unit[row],
            goal ? must[us, row, "-"] : "null", goal ? aim[us, row, "-"] : "null", yes_no(goal, good))
        for (p = 1; p <= npeers; p++) {
            q = ratio(us, peer[p], row)
            goal = workers == 2 && q != "" && ((us, row, peer[p]) in must)
            good = goal && q >= must[us, row, peer[p]]
            text = q == "" ? "" : sprintf("%.2f", q)
            text = goal ? text " " mark(good) " " must[us, row, peer[p]] : text
            printf p < npeers ? " %-17s" : " %s", text
            if (q != "")
                ratios[++nratios] = sprintf("{\"metric\":\"%s\",\"system\":\"%s\"," \
                    "\"peer\":\"%s\",\"ratio\":%.4g,\"must\":%s,\"aim\":%s,\"ok\":%s}", row, us, peer[p], q,
                    goal ? must[us, row, peer[p]] : "null", goal ? aim[us, row, peer[p]] : "null", yes_no(goal, good))
        }
        print ""
    }
}

END {
    growth("drain_growth", "drain_10k", "drain_100k")
    growth("drain_held_growth", "drain_held_10k", "drain_held_100k")
    for (k = 1; k <= nours; k++)
        table_of(ours[k])
    if (reached + missed)
        printf "\n%d goals reached, %d short", reached, missed
    else
        printf "\nthere are goals for skate on threads and on processes with 2 workers"
    print noisy ? "; the machine was not quiet" : ""
    if (nhost)
        printf "the machine itself took: %s (host_bench --help)\n", host_line()

    if (json != "") {
        printf "{\"machine\": \"%s\", \"workers\": %d, \"quiet\": %s,\n", machine, workers,
            noisy ? "false" : "true" >json
        array_of("figures", lines, nlines)
        array_of("medians", medians, nmedians)
        array_of("ratios", ratios, nratios)
        array_of("left_out", left_out, nleft_out, 1)
    }
}
