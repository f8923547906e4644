# Edit, then run: gnuplot -d bars-percpu-scullv-slub-shared.gp
set encoding utf8
data = 'bars-percpu-scullv-slub-shared.tsv'
# On paper the caption has these two.
title = 'scullv, slub-shared: throughput'
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
  if (out eq 'svg') { set terminal svg noenhanced size 720,434 dynamic rounded background '#ffffff' font 'sans-serif,13' linewidth 1.3; set output 'bars-percpu-scullv-slub-shared.svg'; small = ',10' }
  if (out eq 'png') { set terminal pngcairo noenhanced size 1440,867 background '#ffffff' font 'sans-serif,13' fontscale 1.9 linewidth 2.4 pointscale 2; set output 'bars-percpu-scullv-slub-shared.png'; small = ',10' }
  if (out eq 'column') { set terminal pdfcairo noenhanced size 8.4cm,5.56cm font 'sans-serif,8' fontscale 0.72 linewidth 0.8 pointscale 0.45; set output 'bars-percpu-scullv-slub-shared.pdf'; small = ',6' }
  if (out eq 'wide') { set terminal pdfcairo noenhanced size 17.8cm,5.84cm font 'sans-serif,8' fontscale 0.72 linewidth 0.9 pointscale 0.55; set output 'bars-percpu-scullv-slub-shared-wide.pdf'; small = ',7' }
  if (out eq 'latex') { set terminal cairolatex pdf colourtext size 8.4cm,5.56cm header '\footnotesize' linewidth 0.8 pointscale 0.45; set output 'bars-percpu-scullv-slub-shared-latex.tex'; small = ',6' }
  if (out eq 'tikz') { set terminal tikz size 8.4cm,5.56cm font '\footnotesize'; set output 'bars-percpu-scullv-slub-shared-tikz.tex'; small = '' }
  if (screen) { set title title offset 0,0.7; set label 1 note at graph 0.5,1.045 center tc rgb '#555555' font small }
set border 3 lc rgb '#444444'
set tics nomirror out scale 0.6
set grid ytics lt 1 lc rgb '#dddddd' lw 0.7
set ylabel t('million operations / s')
set yrange [0:*]
set xtics norotate (tic('yes') 0, tic('no') 1)
set xrange [-0.6:1.4]
set style fill solid 1.0 noborder
set bars 0.6
set xlabel t('slub-shared.percpu') offset 0,0.5*up
set key outside bottom center horizontal Left reverse samplen 1.4 spacing 1.05 height 0.8
plot data index 0 using 1:2:(0.360):5 with boxes lc rgb variable notitle, data index 0 using 1:3:(0):($4-$3) with vectors heads size graph 0.006,90 lw 1.2 lc rgb '#333333' notitle, keyentry with boxes lc rgb '#555555' title t('1 thread'), \
  data index 1 using 1:2 with points pt 7 ps 0.2 lc rgb '#60000000' notitle, \
  data index 2 using 1:2:(0.360):5 with boxes lc rgb variable notitle, data index 2 using 1:3:(0):($4-$3) with vectors heads size graph 0.006,90 lw 1.2 lc rgb '#333333' notitle, keyentry with boxes lc rgb '#e69f00' title t('2 threads'), \
  data index 3 using 1:2 with points pt 7 ps 0.2 lc rgb '#60000000' notitle
  unset output
}
