#!/usr/bin/env bash
# Reports of stored databases: every kind of chart byte for byte, tables and texts, the same report twice, several databases
# as one, an artifact, a LaTeX document, a page in a browser, hostile names.
# usage: charts.sh BUILD [--write]      --write records what comes out as expected: look at it before you commit it
set -u
write=${2:-}
. "$(dirname "$0")/lib.sh"
data=$tests/data/charts golden=$tests/golden/charts
command -v gnuplot > /dev/null || { echo "skipped: gnuplot is not installed"; exit 77; }

echo "== every kind of chart"
expect 0 "$s" report "$data/sample.db" --plots "$data/plots.ini" --out charts
[ -s err ] && { fail "a chart is not drawn"; cat err; }
if [ "$write" = --write ]; then
  rm -rf "$golden"
  mkdir -p "$golden"
  cp charts/figures/*.svg charts/figures/*.tsv charts/report.md charts/tables/throughput-scullc.tex charts/tables/cells.csv "$golden"
  for gp in charts/figures/*.gp; do cp "$gp" "$golden"; done
  gnuplot --version > "$golden/gnuplot"
fi
kinds=$("$s" describe plot | sed -n '/^  kind/,/^  x/p' | grep -oE '[a-z]+: ' | sort -u | wc -l)
[ "$kinds" = "$(grep -c "^ROW" "$tests/../framework/config/plot_kinds.inc")" ] || fail "describe plot lists $kinds kinds"
# kinds_in FOLDER KIND...: it has a chart of each
kinds_in() {
  local folder=$1 kind
  shift
  for kind in "$@"; do
    ls "$folder"/figures/$kind-*.svg > /dev/null 2>&1 || fail "$folder has no chart of kind $kind"
  done
}
# shellcheck disable=SC2046 # words
kinds_in charts $(sed -n 's/^ROW([A-Z]*, [a-z]*, "\([a-z]*\)".*/\1/p' "$tests/../framework/config/plot_kinds.inc")
for file in "$golden"/*; do
  name=$(basename "$file")
  case $name in
    gnuplot) continue ;;
    *.svg) # another gnuplot draws the same chart with other digits
      [ "$(gnuplot --version)" = "$(cat "$golden/gnuplot")" ] || { other=1; continue; }
      made=charts/figures/$name ;;
    *.gp | *.tsv) made=charts/figures/$name ;;
    report.md) made=charts/report.md ;;
    *) made=charts/tables/$name ;;
  esac
  cmp -s "$file" "$made" || { fail "$name differs"; diff "$file" "$made" | head -5; }
done
[ -z "${other:-}" ] || echo "SVGs not compared: they are $(cat "$golden/gnuplot")'s, this is $(gnuplot --version)"
for gp in charts/figures/*.gp; do
  id=${gp%.gp}
  for ending in .png .pdf -wide.pdf -latex.tex -latex.pdf -tikz.tex -caption.tex; do
    [ -s "$id$ending" ] || fail "$id$ending is missing"
  done
done

echo "== a script runs by itself, edited"
mkdir own
cp charts/figures/matrix-*-1-thread.* own/
(cd own && gp=$(echo *.gp) && sed -i "s/^title = .*/title = 'my own title'/" "$gp" && rm ./*.svg && gnuplot -d "$gp" && grep -q "my own title" ./*.svg) ||
  fail "an edited script doesn't give the edited chart"

echo "== twice the same, and all defaults"
expect 0 "$s" report "$data/sample.db" --out a
expect 0 "$s" report "$data/sample.db" --out b
diff -r a b > /dev/null || fail "two reports of one database differ: $(diff -rq a b | head -3)"
# What every report has without being asked: add_defaults.
kinds_in a bars lines ratio matrix percentiles cdf series orders addresses events
has a/methods.md "We measured 5 allocators"
has a/methods.tex "distribution-free 95 \\% intervals"
grep -q 'slub-shared (percpu=no)' a/index.html || fail "a variant is not named"
grep -q 'Skipped cells' a/index.html || fail "skipped cells are not shown"

echo "== page, tables and charts show the medians of what was measured"
expect 0 "$s" export "$data/sample.db"
cp out trials.csv
# Of three processes the median is the second.
medians() {
  awk -F, -v metric=ops_per_s 'NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
    $c["workload"] == "scullv" && $c["simulated"] == "no" && $c["slub-shared.percpu"] == "" && $c[metric] != "" { print $c["allocator"], $c["threads"], $c[metric] }' trials.csv |
    sort -k1,1 -k2,2n -k3,3g | awk '{ n[$1" "$2]++; if (n[$1" "$2] == 2) printf "%s %s %.6g\n", $1, $2, $3 }'
}
medians > wanted
[ "$(wc -l < wanted)" = 8 ] || fail "the export has not the cells that are looked for"
awk -F'\t' '/^[^#]/ && NF == 8 { split($7, t, " "); if ($8 !~ /slub/) printf "%s %s %.6g\n", $8, t[1], $2 * 1e6 }' a/figures/bars-scullv.tsv | sort -k1,1 -k2,2n > drawn
awk -F, 'NR > 1 && $1 == "scullv" && $4 !~ /slub/ && $7 ~ /^"ok/ { printf "%s %s %.6g\n", $4, $3, $9 }' a/tables/cells.csv | sort -k1,1 -k2,2n > listed
# The chart has six digits of a million.
awk '{ getline w < "wanted"; split(w, x, " "); if ($1 != x[1] || $2 != x[2] || ($3 - x[3]) ^ 2 > (1e-5 * x[3]) ^ 2) print }' drawn | grep . && fail "the chart shows other medians"
diff wanted listed || fail "the table of cells shows other medians"
# The longest call of three processes is hardly the same to the nanosecond: most cells have a range, simulated ones too.
[ "$(awk -F, 'NR > 1 && / 1 thread/ && $(NF - 2) != $(NF - 1)' a/tables/latency.csv | wc -l)" -ge 8 ] || fail "latencies have no range over processes"
# Free blocks stand where they were: one row a checkpoint and order, in every block of the file.
awk -F'\t' '/^#/ { next } NF < 5 { if (rows && rows % 11) bad = 1; rows = 0; next } { if ($2 != rows % 11 || $1 != int(rows / 11)) bad = 1; rows++ } END { exit bad }' \
  a/figures/orders-scullv-1-thread.tsv || fail "the heat map's rows are not a grid"

echo "== what can't be drawn is said"
cat > odd.ini <<'INI'
[plot nothing]
kind = bars
where = workload=nosuch
[plot metric]
kind = bars
metric = bites_per_s
[plot dimension]
kind = bars
x = quantum
[plot latency]
kind = cdf
metric = realloc
INI
expect 2 "$s" report "$data/sample.db" --plots odd.ini --out odd
has err "[plot nothing] on line 1 is not drawn: where: no cell fits"
has err "[plot metric] on line 4 is not drawn: no trial has the metric 'bites_per_s' (did you mean 'bytes_per_s'?)"
has err "[plot dimension] on line 7 is not drawn: 'quantum' is no dimension of these cells"
has err "[plot latency] on line 10 is not drawn: metric = realloc: expected alloc, free or response"
[ -e odd ] && fail "a folder was made for charts that can't be drawn"
cat > odd.ini <<'INI'
[plot variants]
kind = ratio
baseline = slub-shared
[plot none]
kind = matrix
baseline = slob
[plot counts]
kind = matrix
metric = allocs
INI
expect 2 "$s" report "$data/sample.db" --plots odd.ini --out odd
has err "baseline: 'slub-shared' has 2 variants; name one as the table does, such as 'slub-shared (percpu=yes)'"
has err "baseline: 'slob' was not measured (valid: null, buddy,"
has err "neither more nor less of allocs is better, so there is no best; give a baseline"
cat > odd.ini <<'INI'
[plot own]
kind = ratio
y = slub-shared.percpu
baseline = slub-shared
INI
expect 2 "$s" report "$data/sample.db" --plots odd.ini --out odd
has err "baseline: 'slub-shared' has 2 variants"
echo "[matrix]" > wrong.ini
expect 2 "$s" report "$data/sample.db" --plots wrong.ini --out wrong
has err "wrong.ini:1: unexpected section [matrix]; --plots takes [plot NAME] alone"
expect 2 "$s" report "$data/sample.db" --plots none.ini --out wrong
[ -e wrong ] && fail "a folder was made for a report that was refused"

expect 2 "$s" report "$data/sample.db" --out ''
has err "--out lacks its DIR"
expect 2 "$s" report "$data/sample.db" "$data/../charts/sample.db" --out twice
has err "is given twice"
expect 1 "$s" report "$data" --out folder
has err "is a folder, not a database"

echo "== a terminal that gnuplot was built without costs its own files alone"
mkdir -p lacking
cat > lacking/gnuplot <<EOF
#!/usr/bin/env bash
case "\$*" in *GPVAL_TERMINALS*) echo "canvas dumb svg xterm" >&2; exit 0 ;; esac
exec $(command -v gnuplot) "\$@"
EOF
chmod +x lacking/gnuplot
expect 0 env PATH="$PWD/lacking:$PATH" "$s" report "$data/sample.db" --out lacking-report
has err "this gnuplot was built without pngcairo, pdfcairo, cairolatex, tikz"
has lacking-report/report.md "this gnuplot was built without"
ls lacking-report/figures/*.svg > /dev/null || fail "no SVG is made where there is no cairo"
! ls lacking-report/figures/*.png lacking-report/figures/*-tikz.tex 2> /dev/null || fail "files of terminals that aren't there"

echo "== interrupted, nothing half-done stays"
for verb in "TERM report $data/sample.db --out cut" "HUP report $data/sample.db --out cut" "INT artifact $data/sample.db -o cut.tar.gz"; do
  signal=${verb%% *} verb=${verb#* }
  # shellcheck disable=SC2086
  "$s" $verb > out 2> err &
  pid=$!
  # Once its work has begun; a process that is only starting has no handler yet.
  for _ in {1..200}; do
    { [ -n "$(find . -name '*work-*')" ] || ! kill -0 $pid 2> /dev/null; } && break
    sleep 0.05
  done
  kill -$signal $pid
  wait $pid
  code=$?
  # On a fast machine it may have been done.
  [ $code = 130 ] || { [ $code = 0 ] && rm -rf cut cut.tar.gz; } || { fail "a killed '$verb' exits with $code"; cat err; }
  [ $code = 0 ] || has err "interrupted"
  [ -z "$(find . -name '*work-*')" ] || fail "a killed '$verb' leaves its work behind"
done
[ -e cut/index.html ] && fail "a page was written of a report that was cut off"

echo "== where every call is shorter than the clock's step, the band is the chart"
cp "$data/sample.db" coarse.db
sqlite3 coarse.db "update metric set value = 1e9 where name = 'clock_resolution'"
printf '[plot p]\nkind = percentiles\n[plot c]\nkind = cdf\n' > calls.ini
expect 0 "$s" report coarse.db --out coarse --plots calls.ini
for kind in percentiles cdf; do
  has coarse/figures/$kind-*-scullv-1-thread.svg "less than the step of 1e+09 ns"
done

echo "== a baseline may be a variant"
expect 0 "$s" compare "$data/sample.db" --baseline "slub-shared (percpu=no)"
has out "slub-shared (percpu=yes) slub-shared (percpu=no)"

echo "== surveys of several threads are over operations, not over threads"
cat > two.ini <<'INI'
[plot two]
kind = series
metric = footprint
where = threads=2, workload=scullv
INI
expect 0 "$s" report "$data/sample.db" --plots two.ini --out two
[ "$(awk '!/^#/ && NF { print $1 }' two/figures/series-two-*.tsv | sort -n | tail -1)" -ge 16 ] || fail "a survey of two threads has lost its operations"
expect 0 "$s" export "$data/sample.db" --what series
awk -F, '$0 ~ /unusable_free_space/ && $(NF-2) !~ /^[0-9]+$/ { bad++ } END { exit bad > 0 }' out || fail "derived series are not over operations"

echo "== a report depends on its databases alone"
cat > environment.ini <<'INI'
[experiment]
name = environment
repetitions = 1
duration = 5ms
warmup = 0ms
steady = off
survey = 1
[pmu]
provider = none
[matrix]
allocator = slub, buddy
workload = objects
[plot e]
kind = bars
where = allocator=${WANTED}
INI
expect 0 env WANTED=slub "$s" run environment.ini --db environment.db --no-check
expect 0 env -u WANTED "$s" report environment.db --out e1
expect 0 env WANTED=buddy "$s" report environment.db --out e2
[ -z "$(diff -r e1 e2)" ] || fail "a report depends on the environment in which it is made"
grep -q 'slub' e1/figures/bars-e-*.tsv && ! grep -q buddy e1/figures/bars-e-*.tsv || fail "the run's environment was forgotten"
expect 2 "$s" compare environment.db --baseline slub --fail-if-slower 1%
has out "NOTHING CAN BE SEPARATED HERE"
# As a container's entry point does, which leaves its children to the program that it becomes.
sh -c 'sleep 0.2 & sleep 0.4 & sleep 0.6 & exec "$0" report environment.db --out e3' "$s" > out 2> err || fail "children of others end a report"
[ -z "$(diff -r e1 e3)" ] || fail "children of others make a report incomplete"
expect 0 "$s" artifact environment.db -o 12:30.tar.gz
(trap '' HUP; exec "$s" report environment.db --out e4) > out 2> err &
pid=$!
until [ -d e4 ] || ! kill -0 $pid 2> /dev/null; do sleep 0.05; done
kill -HUP $pid 2> /dev/null
wait $pid || fail "a report under nohup ends with its terminal"
has e1/methods.md "model the code in parentheses: they run in user space"
has e1/methods.md "An operation of objects is an allocation and its free."

echo "== a chart too high to draw, and ids of cells with a gap, as where somebody deleted some"
cp "$data/sample.db" giants.db
sqlite3 giants.db "
  with recursive n(i) as (select 100 union all select i + 1 from n where i < 530)
  insert into cell select i, 'a' || i || ' / scullc / 1 thread', 'a' || i, workload, threads, route, memory, cpus, skip, settings from cell, n where id = 1;
  insert into trial select 1000 + c.id, c.id, 1, seed, status, reason, phase, last_words, started, wall_ns, layout, simulated from trial t, cell c where t.number = 1 and c.id >= 100;
  insert into metric select 1000 + c.id, name, unit, value from metric m, cell c where m.trial = 1 and c.id >= 100;"
printf '[plot giant]\nkind = matrix\nwhere = threads=1\n' > giants.ini
expect 2 "$s" report giants.db --plots giants.ini --out giants
has err "is not drawn, for it would be"
! grep -q "no cell has what it shows" err || fail "a chart that is too high is said to be empty as well"
[ ! -e giants ] || fail "a report without one of the charts asked for was written"
expect 0 "$s" report giants.db --out giants
has err "is not drawn, for it would be"
[ -s giants/figures/bars-scullv.svg ] && [ -s giants/figures/matrix-2-threads.svg ] || fail "one giant chart costs the others"
[ ! -e giants/figures/matrix-1-thread.svg ] || fail "a giant chart was drawn"
grep -q 'a530.*"ok, n = 1"' giants/tables/cells.csv || fail "a gap in the ids costs the trials of later cells"

echo "== several databases as one"
cp "$data/sample.db" later.db
expect 0 "$s" report "$data/sample.db" later.db --plots "$data/plots.ini" --out both
grep -q 'slub-shared (percpu=yes) in later' both/index.html || fail "the second database's cells are not there"
grep -q 'Config of later' both/index.html || fail "the second database's config is not there"
colour_of() { grep -oE "lc rgb '#[0-9a-f]+' title t\\('$1'\\)" both/figures/series-*.gp | grep -oE '#[0-9a-f]+' | sort -u; }
[ -n "$(colour_of 'buddy in sample')" ] && [ "$(colour_of 'buddy in sample')" = "$(colour_of 'buddy in later')" ] || fail "one allocator has two colours in two databases: $(colour_of 'buddy in sample') $(colour_of 'buddy in later')"

echo "== a database of the first schema"
expect 0 "$s" report "$tests/data/schema/1.db" --out old
[ -s old/figures/matrix-1-thread.svg ] || fail "an old database has no charts"

echo "== show"
expect 0 env LC_ALL=C "$s" show "$data/sample.db"
has out "scullv, 2 threads"
grep -qE 'vmalloc +#* ' out || fail "show has no bars"

echo "== an artifact"
expect 2 "$s" artifact
expect 2 "$s" artifact "$data/sample.db" -o x.zip
has err "ends in none of .tar.zst, .tar.gz and .tar.xz"
expect 0 "$s" artifact "$data/sample.db" -o one.tar.gz
expect 0 "$s" artifact "$data/sample.db" -o two.tar.gz
cmp one.tar.gz two.tar.gz || fail "two artifacts of one database differ"
ls -d ./*.work-* 2> /dev/null && fail "an artifact's work is left behind"
tar xzf one.tar.gz || fail "the artifact can't be unpacked"
has sample/README.md "scullbench run config.ini"
cmp sample/config.ini "$data/sample.ini" || fail "the artifact's config is not the run's"
expect 0 "$s" report sample/data/sample.db --out again
diff -r again sample/report > /dev/null || fail "the artifact's report can't be made again from its data"
if command -v sqlite3 > /dev/null; then
  [ "$(sqlite3 sample/data/sample.db "SELECT count(*) FROM plugin WHERE path LIKE '%/%'")" = 0 ] || fail "the artifact tells folders"
fi

echo "== hostile names"
long=$(printf 'x%.0s' {1..294})_%\$end
cat > hostile.ini <<INI
[experiment]
name = it's "h" <b>\`touch pwned\`</b> \$(touch pwned) _%#&{}~^\\ \\n é
repetitions = 2
duration = 5ms
warmup = 0ms
steady = off
survey = 1
survey_points = 4
[machine]
memory = 16MiB
[allocator 50% \`touch pwned\` 'x' "y" \$(touch pwned) <i>_^{2}@é~#&\\input{x}]
plugin = kmalloc
[allocator $long]
plugin = slub
[allocator b[b]]
plugin = slab
[workload w'; system "touch pwned" #\$x_1]
plugin = scullc
devices = 1
device_size = 64KiB
[matrix]
allocator = null, b[b], 50% \`touch pwned\` 'x' "y" \$(touch pwned) <i>_^{2}@é~#&\\input{x}, $long
workload = w'; system "touch pwned" #\$x_1
[plot p'; system "touch pwned" \`touch pwned\` <i>]
kind = bars
[plot m]
kind = matrix
[plot o]
kind = orders
[plot s]
kind = series
[plot r]
kind = ratio
baseline = $long
[plot a]
kind = addresses
INI
expect 0 "$s" run hostile.ini --db hostile.db
# As an older version let them be called.
sqlite3 hostile.db "update cell set allocator = '[b]', label = replace(label, 'b[b]', '[b]') where allocator = 'b[b]'"
expect 0 "$s" report hostile.db --out rh
expect 0 "$s" artifact hostile.db -o h.tar.gz
[ -n "$(find . -name pwned)" ] && fail "a name was executed"
grep -q '^{}\[b\]' rh/tables/throughput-*.tex || fail "the allocator [b] is in no table"
grep -q '^\[b\]' rh/tables/*.tex && fail "a name is an argument of TeX's row before"
{ cat rh/index.html; sed '/^```/,/^```/d' rh/report.md; } | grep -q '<b>`touch' && fail "a name became markup"
grep -q '50% `touch p' rh/figures/bars-*.svg || fail "the name is not shown as it is"
grep -q 'x_\|x\.\.\.' rh/figures/bars-*.svg || fail "the long name is not shown"

echo "== a LaTeX document"
if kpsewhich booktabs.sty tikz.sty longtable.sty lmodern.sty > kpse 2>&1 && [ "$(wc -l < kpse)" = 4 ]; then
  for report in charts rh; do
    {
      echo '\documentclass[twocolumn]{article}\usepackage[T1]{fontenc}\usepackage[utf8]{inputenc}'
      echo '\usepackage{textcomp,booktabs,longtable,graphicx,lmodern,tikz}\usepackage{gnuplot-lua-tikz}'
      echo "\\graphicspath{{$report/figures/}}\\begin{document}\\input{$report/methods}"
      for caption in $report/figures/*-caption.tex; do
        id=${caption%-caption.tex}
        for kind in latex tikz; do
          printf '\\begin{figure}\\input{%s-%s}\\caption{\\protect\\input{%s}}\\end{figure}\\clearpage\n' "$id" $kind "${caption%.tex}"
        done
      done
      echo '\onecolumn'
      for table in $report/tables/*.tex; do printf '\\input{%s}\\clearpage\n' "${table%.tex}"; done
      echo '\end{document}'
    } > $report.tex
    TEXINPUTS=.:$report/figures: pdflatex -interaction=nonstopmode -halt-on-error $report.tex > tex.log 2>&1 ||
      { fail "$report: LaTeX failed"; grep -A5 '^!' tex.log; }
  done
  [ -n "$(find . -name pwned)" ] && fail "a name was executed by TeX"
else
  echo "skipped: no texlive with booktabs, longtable, tikz and lmodern"
fi

echo "== the page in a browser"
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [ -n "$browser" ]; then
  # Two clicks on the head "operations/s": the fastest first.
  sed 's|</body>|<script>var h=Array.from(document.querySelectorAll("th.s")).find(e=>e.textContent=="operations/s");h.click();h.click();document.title="sorted:"+Array.from(h.closest("table").tBodies[0].rows).map(r=>r.cells[h.cellIndex].dataset.v\|\|"n/a").join(" ")+":wide="+(document.documentElement.scrollWidth>window.innerWidth);</script></body>|' \
    a/index.html > sorted.html
  for width in 1280 500; do
    timeout 60 "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$dir/profile" --window-size=$width,900 --dump-dom "file://$dir/sorted.html" > dom 2> /dev/null
    title=$(grep -o '<title>sorted:[^<]*' dom)
    [ -n "$title" ] || { fail "the page's script did not run"; continue; }
    case $title in *wide=true) fail "the page is wider than a window of $width" ;; esac
    echo "$title" | sed 's/<title>sorted://; s/:wide.*//' | tr ' ' '\n' | grep -v n/a > values
    sort -rg values | cmp -s - values || fail "a click doesn't sort"
  done
else
  echo "skipped: no chromium"
fi
conclude
