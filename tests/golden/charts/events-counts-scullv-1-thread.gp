# Edit, then run: gnuplot -d events-counts-scullv-1-thread.gp
set encoding utf8
data = 'events-counts-scullv-1-thread.tsv'
# On paper the caption has these two.
title = 'scullv, 1 thread: events per operation'
note = 'n = 3, median, whiskers: range; AMD EPYC, 2 CPUs'
# What TeX takes for its own is escaped when the output is TeX's; in tics gnuplot's own % as well.
tex = 0
tex1(c) = strlen(c) == 0 ? '' : strstrt('#$%&_{}', c) ? '\'.c : c eq '\' ? '\textbackslash{}' : \
  c eq '~' ? '\textasciitilde{}' : c eq '^' ? '\textasciicircum{}' : c eq '<' ? '\textless{}' : \
  c eq '>' ? '\textgreater{}' : c eq '|' ? '\textbar{}' : c eq '"' ? '\textquotedbl{}' : c
escaped(s) = strlen(s) < 2 ? tex1(s) : escaped(s[1:strlen(s)/2]).escaped(s[strlen(s)/2+1:*])
percent(s) = strlen(s) < 2 ? (s eq '%' ? '%%' : s) : percent(s[1:strlen(s)/2]).percent(s[strlen(s)/2+1:*])
# A label that begins with a bracket would be taken for where to put it.
t(s) = tex ? (s[1:1] eq '[' ? '{}' : '').escaped(s) : s
tic(s) = percent(t(s))
little(s) = tex ? '\scriptsize '.s : s
do for [out in 'svg png column wide latex tikz'] {
  reset
  set datafile separator '\t'
  set datafile missing '-'
  tex = out eq 'latex' || out eq 'tikz'
  screen = out eq 'svg' || out eq 'png'
  up = tex ? 0.0 : 1.0
  near = tex ? 0.55 : 1.0
  if (out eq 'svg') { set terminal svg noenhanced size 720,1435 dynamic rounded background '#ffffff' font 'sans-serif,13' linewidth 1.3; set output 'events-counts-scullv-1-thread.svg'; small = ',10' }
  if (out eq 'png') { set terminal pngcairo noenhanced size 1440,2870 background '#ffffff' font 'sans-serif,13' fontscale 1.9 linewidth 2.4 pointscale 2; set output 'events-counts-scullv-1-thread.png'; small = ',10' }
  if (out eq 'column') { set terminal pdfcairo noenhanced size 8.4cm,18.40cm font 'sans-serif,8' fontscale 0.72 linewidth 0.8 pointscale 0.45; set output 'events-counts-scullv-1-thread.pdf'; small = ',6' }
  if (out eq 'wide') { set terminal pdfcairo noenhanced size 17.8cm,19.32cm font 'sans-serif,8' fontscale 0.72 linewidth 0.9 pointscale 0.55; set output 'events-counts-scullv-1-thread-wide.pdf'; small = ',7' }
  if (out eq 'latex') { set terminal cairolatex pdf colourtext size 8.4cm,18.40cm header '\footnotesize' linewidth 0.8 pointscale 0.45; set output 'events-counts-scullv-1-thread-latex.tex'; small = ',6' }
  if (out eq 'tikz') { set terminal tikz size 8.4cm,18.40cm font '\footnotesize'; set output 'events-counts-scullv-1-thread-tikz.tex'; small = '' }
  top = screen ? 0.9266 : 0.9728
  set multiplot layout 7,1 margins screen 0.15,0.97,0.2228,top spacing screen 0.1,0.0299
  if (screen) { set label 1 title at screen 0.5,0.9837 center; set label 2 note at screen 0.5,0.9620 center tc rgb '#555555' font small }
set border 3 lc rgb '#444444'
set tics nomirror out scale 0.6
set grid ytics lt 1 lc rgb '#dddddd' lw 0.7
unset key
set bars 0.6
set xrange [-0.6:5.6]
set ytics font small
set format y '%g'
if (tex) { set format y '\scriptsize $%h$' }
set title little(t('perf::CONTEXT-SWITCHES/op')) offset 0,-0.8*near font small
set xtics 0,1,5 format ''
set logscale y 10
set yrange [*:*]
set ytics autofreq
plot data index 0 using 1:2:3:4:5 with yerrorbars pt 7 ps 0.7 lw 1.3 lc rgb variable
if (screen) { unset label }
set title little(t('simulated:instructions/op')) offset 0,-0.8*near font small
set xtics 0,1,5 format ''
unset logscale y
set yrange [0:113353]
set ytics 0,50000
plot data index 1 using 1:2:3:4:5 with yerrorbars pt 7 ps 0.7 lw 1.3 lc rgb variable
set title little(t('simulated:data-accesses/op')) offset 0,-0.8*near font small
set xtics 0,1,5 format ''
unset logscale y
set yrange [0:180490]
set ytics 0,50000
plot data index 2 using 1:2:3:4:5 with yerrorbars pt 7 ps 0.7 lw 1.3 lc rgb variable
set title little(t('simulated:L1i-misses/op')) offset 0,-0.8*near font small
set xtics 0,1,5 format ''
unset logscale y
set yrange [0:0.0380296]
set ytics 0,0.01
plot data index 3 using 1:2:3:4:5 with yerrorbars pt 7 ps 0.7 lw 1.3 lc rgb variable
set title little(t('simulated:L1d-misses/op')) offset 0,-0.8*near font small
set xtics 0,1,5 format ''
unset logscale y
set yrange [0:2830.68]
set ytics 0,1000
plot data index 4 using 1:2:3:4:5 with yerrorbars pt 7 ps 0.7 lw 1.3 lc rgb variable
set title little(t('simulated:last-level-misses/op')) offset 0,-0.8*near font small
set xtics 0,1,5 format ''
set logscale y 10
set yrange [*:*]
set ytics autofreq
plot data index 5 using 1:2:3:4:5 with yerrorbars pt 7 ps 0.7 lw 1.3 lc rgb variable
set title little(t('perf::PAGE-FAULTS/op')) offset 0,-0.8*near font small
set xtics rotate by 90 right (tic('null') 0, tic('buddy') 1, tic('slub-shared (percpu=yes)') 2, tic('slub-shared (percpu=no)') 3, tic('vmalloc') 4, tic('malloc') 5)
unset logscale y
set yrange [0:0.0160976]
set ytics 0,0.005
plot data index 6 using 1:2:3:4:5 with yerrorbars pt 7 ps 0.7 lw 1.3 lc rgb variable
  unset multiplot
  unset output
}
