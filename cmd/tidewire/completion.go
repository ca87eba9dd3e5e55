package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// completionCommand prints what a shell needs to complete command lines.
type completionCommand struct {
	Shell string `arg:"" help:"${enum}." enum:"bash,zsh,fish"`
}

// Help is kong's hook.
func (*completionCommand) Help() string {
	return `Examples:

  source <(tidewire completion bash)                                         # in ~/.bashrc
  tidewire completion zsh > "${fpath[1]}/_tidewire"
  tidewire completion fish > ~/.config/fish/completions/tidewire.fish`
}

// Each script has the program itself say what may come, and offers files where that is nothing.
var completions = map[string]string{
	"bash": `_tidewire() {
	local IFS=$'\n'
	COMPREPLY=($("${COMP_WORDS[0]}" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o bashdefault -o default -F _tidewire tidewire
`,
	"zsh": `#compdef tidewire
_tidewire() {
	local -a candidates
	candidates=(${(f)"$("${words[1]}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
	if (( $#candidates )); then compadd -a candidates; else _files; fi
}
if [ "$funcstack[1]" = _tidewire ]; then _tidewire "$@"; else compdef _tidewire tidewire; fi
`,
	"fish": `function __tidewire
	set -l words (commandline -opc)
	$words[1] complete -- $words[2..-1] (commandline -ct) 2>/dev/null
end
complete -c tidewire -n 'set -l any (__tidewire); set -q any[1]' -f -a '(__tidewire)'
`,
}

// Run prints the script.
func (c *completionCommand) Run(std stdio) error {
	_, err := fmt.Fprint(std.out, completions[c.Shell])
	return err
}

// completeCommand is what the scripts run. The last word is the one that is being typed.
type completeCommand struct {
	Words []string `arg:"" optional:"" passthrough:""`
}

// Run prints what the last word may become, a line each.
func (c *completeCommand) Run(std stdio, line *kong.Context) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	for _, word := range candidates(line.Model.Node, words) {
		if _, err := fmt.Fprintln(std.out, word); err != nil {
			return err
		}
	}
	return nil
}

// candidates are what the last of the words may become, as far as that is known.
func candidates(node *kong.Node, words []string) (all []string) {
	if len(words) == 0 {
		words = []string{""}
	}
	last := words[len(words)-1]
	var pending *kong.Flag // wants a value
	for _, word := range words[:len(words)-1] {
		switch {
		case pending != nil && word == "=": // bash makes three words of --name=value
		case pending != nil:
			pending = nil
		case word == "--":
			return nil
		case strings.HasPrefix(word, "-"):
			if flag := findFlag(node, word); flag != nil && !flag.IsBool() && !strings.Contains(word, "=") {
				pending = flag
			}
		default:
			for _, child := range node.Children {
				if child.Name == word {
					node = child
				}
			}
		}
	}
	if pending != nil && last == "=" {
		last = ""
	}
	prefix := ""
	switch {
	case pending != nil:
		all = pending.EnumSlice()
	case strings.HasPrefix(last, "-") && strings.Contains(last, "="):
		name, _, _ := strings.Cut(last, "=")
		if flag := findFlag(node, name); flag != nil {
			prefix, all = name+"=", flag.EnumSlice()
		}
	case strings.HasPrefix(last, "-"):
		for _, flag := range flagsOf(node) {
			if !flag.Hidden {
				all = append(all, "--"+flag.Name)
			}
		}
	default:
		for _, child := range node.Children {
			if !child.Hidden {
				all = append(all, child.Name)
			}
		}
		if len(node.Children) == 0 && len(node.Positional) > 0 {
			all = append(all, node.Positional[0].EnumSlice()...)
		}
	}
	for i := range all {
		all[i] = prefix + all[i]
	}
	all = slices.DeleteFunc(all, func(word string) bool { return word == "" || !strings.HasPrefix(word, last) })
	slices.Sort(all)
	return all
}

// flagsOf are those that a command takes.
func flagsOf(node *kong.Node) (all []*kong.Flag) {
	for _, group := range node.AllFlags(false) {
		all = append(all, group...)
	}
	if node.DefaultCmd != nil {
		all = append(all, node.DefaultCmd.Flags...)
	}
	return all
}

// findFlag finds a flag by --name, --name=value or -n.
func findFlag(node *kong.Node, word string) *kong.Flag {
	name, _, _ := strings.Cut(word, "=")
	for _, flag := range flagsOf(node) {
		if name == "--"+flag.Name || flag.Short != 0 && name == "-"+string(flag.Short) {
			return flag
		}
	}
	return nil
}
