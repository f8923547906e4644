# Edit, then run: gnuplot -d ratio-beside-scullc-scullc-quantum-4000b.gp
set encoding utf8
data = 'ratio-beside-scullc-scullc-quantum-4000b.tsv'
# On paper the caption has these two.
title = 'scullc, scullc.quantum=4000B: throughput beside malloc'
note = 'n = 3, median, whiskers: smallest to largest ratio; AMD EPYC, 2 CPUs'
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
  if (out eq 'svg') { set terminal svg noenhanced size 720,430 dynamic rounded background '#ffffff' font 'sans-serif,13' linewidth 1.3; set output 'ratio-beside-scullc-scullc-quantum-4000b.svg'; small = ',10' }
  if (out eq 'png') { set terminal pngcairo noenhanced size 1440,860 background '#ffffff' font 'sans-serif,13' fontscale 1.9 linewidth 2.4 pointscale 2; set output 'ratio-beside-scullc-scullc-quantum-4000b.png'; small = ',10' }
  if (out eq 'column') { set terminal pdfcairo noenhanced size 8.4cm,4.46cm font 'sans-serif,8' fontscale 0.72 linewidth 0.8 pointscale 0.45; set output 'ratio-beside-scullc-scullc-quantum-4000b.pdf'; small = ',6' }
  if (out eq 'wide') { set terminal pdfcairo noenhanced size 17.8cm,4.68cm font 'sans-serif,8' fontscale 0.72 linewidth 0.9 pointscale 0.55; set output 'ratio-beside-scullc-scullc-quantum-4000b-wide.pdf'; small = ',7' }
  if (out eq 'latex') { set terminal cairolatex pdf colourtext size 8.4cm,4.46cm header '\footnotesize' linewidth 0.8 pointscale 0.45; set output 'ratio-beside-scullc-scullc-quantum-4000b-latex.tex'; small = ',6' }
  if (out eq 'tikz') { set terminal tikz size 8.4cm,4.46cm font '\footnotesize'; set output 'ratio-beside-scullc-scullc-quantum-4000b-tikz.tex'; small = '' }
  if (screen) { set title title offset 0,0.7; set label 1 note at graph 0.5,1.045 center tc rgb '#555555' font small }
set border 3 lc rgb '#444444'
set tics nomirror out scale 0.6
set grid ytics lt 1 lc rgb '#dddddd' lw 0.7
set ytics  (tic('null') 0, tic('buddy') 1, tic('slub-shared (percpu=yes)') 2, tic('slub-shared (percpu=no)') 3, tic('vmalloc') 4)
set yrange [4.6:-0.6]
set xlabel t('ratio to malloc') offset 0,0.5*up
set xtics autofreq
unset grid
set grid xtics lt 1 lc rgb '#dddddd' lw 0.7
set arrow 1 from 1, graph 0 to 1, graph 1 nohead dt 2 lw 1.2 lc rgb '#444444'
set bars 0.5
set logscale x 10
set xrange [0.07145:16.4]
set key outside bottom center horizontal Left reverse samplen 1.4 spacing 1.05 height 0.8
set key outside bottom right
plot data index 0 using 2:1:3:4:5 with xerrorbars pt 7 ps 0.9 lw 1.5 lc rgb variable notitle, keyentry with points pt 7 ps 0.9 lc rgb '#c4c4c4' title t('1 thread'), \
  data index 1 using 2:1:3:4:5 with xerrorbars pt 6 ps 0.9 lw 1.5 lc rgb variable notitle, keyentry with points pt 6 ps 0.9 lc rgb '#555555' title t('2 threads')
  unset output
}
