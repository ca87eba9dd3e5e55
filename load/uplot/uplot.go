// Package uplot holds uPlot 1.6.32, which draws the charts in pages: the files of https://github.com/leeoniya/uPlot as they are
// in its npm package, under the MIT license in LICENSE.
package uplot

import "embed"

// Files are uPlot.iife.min.js, uPlot.min.css and LICENSE.
//
//go:embed uPlot.iife.min.js uPlot.min.css LICENSE
var Files embed.FS

// Read returns one of the Files.
func Read(name string) string {
	data, err := Files.ReadFile(name)
	if err != nil {
		panic(err) // the embedded files are part of the binary
	}
	return string(data)
}
