package metrics_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// used are the metrics in a PromQL expression: its identifiers that are no function, keyword, label or duration.
func used(expr string) []string {
	for _, strip := range []string{`"[^"]*"`, `\{[^}]*\}`, `\[[^\]]*\]`, `\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`, `\boffset\s+\w+`} {
		expr = regexp.MustCompile(strip).ReplaceAllString(expr, " ")
	}
	var names []string
	for _, m := range regexp.MustCompile(`([a-zA-Z_:][\w:]*)\s*(\(?)`).FindAllStringSubmatch(expr, -1) {
		if m[2] == "" && !slices.Contains([]string{"and", "or", "unless", "bool", "sum", "max", "min", "avg", "count"}, m[1]) {
			names = append(names, m[1])
		}
	}
	return names
}

func TestUsed(t *testing.T) {
	for expr, want := range map[string]string{
		`up{job="x"} == 0`: "up",
		`sum by (le) (rate(a_total{b=~"c|d"}[5m])) > 0.05 * e`: "a_total e",
		`a < 0.5 * (b offset 10m) and c > 100`:                 "a b c",
		`histogram_quantile(0.99, sum(rate(x_bucket[$__i])))`:  "x_bucket",
	} {
		if got := strings.Join(used(expr), " "); got != want {
			t.Errorf("%s uses %q, want %q", expr, got, want)
		}
	}
}

// exists reports whether the registry has what an expression calls by that name.
func exists(have map[string]family, name string) bool {
	if have[name].typ != "" {
		return have[name].typ != "histogram" // it has parts alone
	}
	for _, part := range []string{"_bucket", "_sum", "_count"} {
		if of, ok := strings.CutSuffix(name, part); ok && have[of].typ == "histogram" {
			return true
		}
	}
	return name == "up" // Prometheus' own
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../../deploy/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// All that the dashboard shows there is, and nearly all that there is it shows.
func TestDashboard(t *testing.T) {
	var d struct {
		Templating struct{ List []struct{ Name, Type string } }
		Panels     []struct {
			ID          int
			Type, Title string
			Datasource  struct{ UID string }
			Targets     []struct {
				Expr       string
				Datasource struct{ UID string }
			}
		}
	}
	if err := json.Unmarshal(read(t, "grafana/tidewire.json"), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Templating.List) == 0 || d.Templating.List[0].Name != "datasource" || d.Templating.List[0].Type != "datasource" {
		t.Errorf("no variable for the data source: %+v", d.Templating)
	}
	have := families(t)
	ids, shown, rows := map[int]bool{}, map[string]bool{}, []string{}
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("%s: its id %d is another's, too", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Type == "row" {
			rows = append(rows, p.Title)
			continue
		}
		if p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
			t.Errorf("%s: data source %q, %d targets", p.Title, p.Datasource.UID, len(p.Targets))
		}
		for _, target := range p.Targets {
			names := used(target.Expr)
			if len(names) == 0 || target.Datasource.UID != "${datasource}" {
				t.Errorf("%s: no metric in %s, or another data source", p.Title, target.Expr)
			}
			for _, name := range names {
				shown[name] = true
				if !exists(have, name) {
					t.Errorf("%s: there is no %s", p.Title, name)
				}
			}
		}
	}
	if want := []string{"Overview", "Traffic", "Latency", "Rooms and recovery", "Trouble", "Process"}; !slices.Equal(rows, want) {
		t.Errorf("the rows are %q, want %q", rows, want)
	}
	left := []string{"tidewire_build_info", "tidewire_session_duration_seconds", "tidewire_typed_messages_total"}
	for name := range have {
		if strings.HasPrefix(name, "tidewire_") && !shown[name] && !shown[name+"_bucket"] && !shown[name+"_sum"] && !slices.Contains(left, name) {
			t.Errorf("no panel shows %s", name)
		}
	}
}

func TestRules(t *testing.T) {
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalWithOptions(read(t, "prometheus/tidewire.rules.yml"), &rules, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	var config struct {
		RuleFiles     []string `yaml:"rule_files"`
		ScrapeConfigs []struct {
			JobName string `yaml:"job_name"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal(read(t, "prometheus/prometheus.yml"), &config); err != nil || !slices.Equal(config.RuleFiles, []string{"tidewire.rules.yml"}) ||
		len(config.ScrapeConfigs) != 1 || config.ScrapeConfigs[0].JobName != "tidewire" {
		t.Errorf("%v, %+v", err, config)
	}
	have, seen := families(t), map[string]bool{}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || seen[r.Alert] || r.Annotations["summary"] == "" || r.Labels["severity"] != "page" && r.Labels["severity"] != "ticket" {
				t.Errorf("%+v", r)
			}
			seen[r.Alert] = true
			names := used(r.Expr)
			if len(names) == 0 {
				t.Errorf("%s uses no metric", r.Alert)
			}
			for _, name := range names {
				if !exists(have, name) && g.Name != "tidewire-serve" { // of the binary's own, of which its tests know
					t.Errorf("%s: there is no %s", r.Alert, name)
				}
			}
		}
	}
	for _, alert := range []string{"TidewireDegraded", "TidewireHorizonShort", "TidewireDrops", "TidewirePanics"} {
		if !seen[alert] {
			t.Errorf("there is no alert %s", alert)
		}
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Log("promtool is not here: what it thinks of the files is not known")
		return
	}
	for _, args := range [][]string{{"check", "rules", "../../deploy/prometheus/tidewire.rules.yml"}, {"check", "config", "../../deploy/prometheus/prometheus.yml"}, {"test", "rules", "../../deploy/prometheus/tidewire.rules_test.yml"}} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
