// Command typecheck type-checks packages, with their tests, for another system: typecheck windows/amd64 ./...
//
// It reads all that they import as source. The go command would compile that first: minutes for each system on a machine that has compiled
// nothing for it yet, and a check needs none of it.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: typecheck OS/ARCH PATTERN...")
		os.Exit(2)
	}
	n, err := check(".", os.Args[1], os.Args[2:]...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%s: %d packages\n", os.Args[1], n)
}

// check returns how many packages in dir the patterns match, their tests' included, and all that is wrong with them and what they import.
func check(dir, system string, patterns ...string) (int, error) {
	goos, goarch, _ := strings.Cut(system, "/")
	all, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedDeps |
			packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo | packages.NeedTypesSizes | packages.NeedModule,
		Dir:   dir,
		Env:   append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch),
		Tests: true,
	}, patterns...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", system, err)
	}
	if len(all) == 0 {
		return 0, fmt.Errorf("%s: no packages match %q", system, patterns)
	}
	var wrong []error
	seen := map[string]bool{} // a package's files are also in its tests'
	packages.Visit(all, nil, func(p *packages.Package) {
		for _, e := range p.Errors {
			if text := e.Error(); !seen[text] {
				seen[text] = true
				wrong = append(wrong, fmt.Errorf("%s: %w", system, e))
			}
		}
	})
	return len(all), errors.Join(wrong...)
}
