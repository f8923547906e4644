# Edit, then run: gnuplot -d orders-buddyinfo-scullc-scullc-quantum-1000b-1-thread.gp
set encoding utf8
data = 'orders-buddyinfo-scullc-scullc-quantum-1000b-1-thread.tsv'
# On paper the caption has these two.
title = 'scullc, scullc.quantum=1000B, 1 thread: free blocks by order'
note = 'n = 3, median, their ranges are in the database; AMD EPYC, 2 CPUs'
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
  if (out eq 'svg') { set terminal svg noenhanced size 720,448 dynamic rounded background '#ffffff' font 'sans-serif,13' linewidth 1.3; set output 'orders-buddyinfo-scullc-scullc-quantum-1000b-1-thread.svg'; small = ',10' }
  if (out eq 'png') { set terminal pngcairo noenhanced size 1440,897 background '#ffffff' font 'sans-serif,13' fontscale 1.9 linewidth 2.4 pointscale 2; set output 'orders-buddyinfo-scullc-scullc-quantum-1000b-1-thread.png'; small = ',10' }
  if (out eq 'column') { set terminal pdfcairo noenhanced size 8.4cm,5.75cm font 'sans-serif,8' fontscale 0.72 linewidth 0.8 pointscale 0.45; set output 'orders-buddyinfo-scullc-scullc-quantum-1000b-1-thread.pdf'; small = ',6' }
  if (out eq 'wide') { set terminal pdfcairo noenhanced size 17.8cm,6.04cm font 'sans-serif,8' fontscale 0.72 linewidth 0.9 pointscale 0.55; set output 'orders-buddyinfo-scullc-scullc-quantum-1000b-1-thread-wide.pdf'; small = ',7' }
  if (out eq 'latex') { set terminal cairolatex pdf colourtext size 8.4cm,5.75cm header '\footnotesize' linewidth 0.8 pointscale 0.45; set output 'orders-buddyinfo-scullc-scullc-quantum-1000b-1-thread-latex.tex'; small = ',6' }
  if (out eq 'tikz') { set terminal tikz size 8.4cm,5.75cm font '\footnotesize'; set output 'orders-buddyinfo-scullc-scullc-quantum-1000b-1-thread-tikz.tex'; small = '' }
  top = screen ? 0.7652 : 0.9130
  set multiplot layout 2,2 margins screen 0.15,0.97,0.3043,top spacing screen 0.1,0.1565
  if (screen) { set label 1 title at screen 0.5,0.9478 center; set label 2 note at screen 0.5,0.8783 center tc rgb '#555555' font small }
set border 3 lc rgb '#444444'
set tics nomirror out scale 0.6
set grid ytics lt 1 lc rgb '#dddddd' lw 0.7
unset grid
unset key
set border 15 lw 0.5
set tics font small scale 0.3
if (tex) { set format '\scriptsize $%h$' }
set palette defined (0 '#deebf7', 0.5 '#4292c6', 1 '#08306b')
set logscale cb 10
set cbrange [1:7]
set xrange [-0.5:8.5]
set yrange [-0.5:10.5]
set ytics 0,5,10 offset 0.6*near,0
set xtics norotate 0,4 offset 0,0.4*near
set cbtics font small offset 0,0.7
set cblabel little(t('free blocks')) font small offset 0,1.2
unset colorbox
set title little(t('buddy')) offset 0,-0.8*near font small
set xlabel little('') offset 0,0.7*near font small
set ylabel little(t('order')) offset 1.2*near,0 font small
plot data index 0 using 1:2:3 with image pixels notitle
if (screen) { unset label }
set title little(t('slub-shared (percpu=yes)')) offset 0,-0.8*near font small
set xlabel little('') offset 0,0.7*near font small
set ylabel little('') offset 1.2*near,0 font small
plot data index 1 using 1:2:3 with image pixels notitle
set title little(t('slub-shared (percpu=no)')) offset 0,-0.8*near font small
set xlabel little(t('checkpoint')) offset 0,0.7*near font small
set ylabel little(t('order')) offset 1.2*near,0 font small
plot data index 2 using 1:2:3 with image pixels notitle
set title little(t('vmalloc')) offset 0,-0.8*near font small
set xlabel little(t('checkpoint')) offset 0,0.7*near font small
set ylabel little('') offset 1.2*near,0 font small
set colorbox horizontal user origin screen 0.3, screen 0.1304 size screen 0.4, screen 0.0278
plot data index 3 using 1:2:3 with image pixels notitle
  unset multiplot
  unset output
}
