# Edit, then run: gnuplot -d matrix-all-2-threads.gp
set encoding utf8
data = 'matrix-all-2-threads.tsv'
# On paper the caption has these two.
title = '2 threads: throughput beside the best of each column but null'
note = 'n = 3; ratios within blocks; intervals: see the tables'
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
  if (out eq 'svg') { set terminal svg noenhanced size 720,538 dynamic rounded background '#ffffff' font 'sans-serif,13' linewidth 1.3; set output 'matrix-all-2-threads.svg'; small = ',10' }
  if (out eq 'png') { set terminal pngcairo noenhanced size 1440,1076 background '#ffffff' font 'sans-serif,13' fontscale 1.9 linewidth 2.4 pointscale 2; set output 'matrix-all-2-threads.png'; small = ',10' }
  if (out eq 'column') { set terminal pdfcairo noenhanced size 8.4cm,6.90cm font 'sans-serif,8' fontscale 0.72 linewidth 0.8 pointscale 0.45; set output 'matrix-all-2-threads.pdf'; small = ',6' }
  if (out eq 'wide') { set terminal pdfcairo noenhanced size 17.8cm,7.25cm font 'sans-serif,8' fontscale 0.72 linewidth 0.9 pointscale 0.55; set output 'matrix-all-2-threads-wide.pdf'; small = ',7' }
  if (out eq 'latex') { set terminal cairolatex pdf colourtext size 8.4cm,6.90cm header '\footnotesize' linewidth 0.8 pointscale 0.45; set output 'matrix-all-2-threads-latex.tex'; small = ',6' }
  if (out eq 'tikz') { set terminal tikz size 8.4cm,6.90cm font '\footnotesize'; set output 'matrix-all-2-threads-tikz.tex'; small = '' }
  if (screen) { set title title offset 0,0.7; set label 1 note at graph 0.5,1.045 center tc rgb '#555555' font small }
set border 3 lc rgb '#444444'
set tics nomirror out scale 0.6
set grid ytics lt 1 lc rgb '#dddddd' lw 0.7
set ytics  (tic('null') 0, tic('buddy') 1, tic('slub-shared (percpu=yes)') 2, tic('slub-shared (percpu=no)') 3, tic('vmalloc') 4, tic('malloc') 5, tic('percpu') 6)
set xtics rotate by 90 right (tic('scullc quantum=1000B') 0, tic('scullc quantum=4000B') 1, tic('scullv') 2)
unset grid
set border 0
set tics scale 0
unset key
set xrange [-0.5:2.5]
set yrange [6.5:-0.5]
set style fill solid 1.0 border rgb '#ffffff'
plot data using 1:2:(0.5):(0.5):3 with boxxyerror lc rgb variable lw 1.2, \
  data using 1:2:((tex ? '\\scriptsize ' : '').stringcolumn(5)):4 with labels tc rgb variable font small
  unset output
}
