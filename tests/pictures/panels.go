package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql"
)

// scene is what a test hands over.
type scene struct {
	// Scrapes in order of time.
	Scrapes []struct {
		File   string            `json:"file"`
		At     int64             `json:"at"` // milliseconds since 1970
		Labels map[string]string `json:"labels"`
	} `json:"scrapes"`
	Dashboards []string `json:"dashboards"`
	Rules      string   `json:"rules"`
	// What stands for Grafana's variables.
	Variables map[string]string `json:"variables"`
	// Parts of queries that rightly find nothing, each with the reason.
	Empty map[string]string `json:"empty"`
}

type dashboard struct {
	Title      string `json:"title"`
	Templating struct {
		List []struct {
			Name  string          `json:"name"`
			Type  string          `json:"type"`
			Query json.RawMessage `json:"query"`
		} `json:"list"`
	} `json:"templating"`
	Panels []struct {
		Title   string `json:"title"`
		Targets []struct {
			Expr         string `json:"expr"`
			LegendFormat string `json:"legendFormat"`
		} `json:"targets"`
	} `json:"panels"`
}

func panels(path string) error {
	var scene scene
	if err := readJSON(path, &scene); err != nil {
		return err
	}
	store, err := open()
	if err != nil {
		return err
	}
	defer store.close()
	var now time.Time
	for _, scrape := range scene.Scrapes {
		text, err := os.ReadFile(scrape.File)
		if err != nil {
			return err
		}
		now = time.UnixMilli(scrape.At)
		if err := store.scrape(text, now, scrape.Labels); err != nil {
			return fmt.Errorf("%s: %w", scrape.File, err)
		}
	}
	report := &report{scene: scene, store: store, now: now, used: map[string]bool{}}
	for _, path := range scene.Dashboards {
		if err := report.dashboard(path); err != nil {
			return err
		}
	}
	if err := report.rules(scene.Rules); err != nil {
		return err
	}
	for part := range scene.Empty {
		if !report.used[part] {
			report.wrong("%q is said to find nothing, and no query has it", part)
		}
	}
	if len(report.problems) > 0 {
		return fmt.Errorf("%s", strings.Join(report.problems, "\n"))
	}
	fmt.Printf("%d queries of panels, %d of alerts\n", report.panels, report.alerts)
	return nil
}

type report struct {
	scene          scene
	store          *store
	now            time.Time
	problems       []string
	used           map[string]bool
	panels, alerts int
}

func (r *report) wrong(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

func (r *report) dashboard(path string) error {
	var board dashboard
	if err := readJSON(path, &board); err != nil {
		return err
	}
	name := filepath.Base(path)
	for _, variable := range board.Templating.List {
		if variable.Type == "query" {
			r.variable(name, variable.Name, variable.Query)
		}
	}
	if len(board.Panels) == 0 {
		r.wrong("%s has no panels", name)
	}
	for _, panel := range board.Panels {
		if len(panel.Targets) == 0 {
			r.wrong("%s, %s: asks for nothing", name, panel.Title)
		}
		for _, target := range panel.Targets {
			r.panels++
			r.panel(name+", "+panel.Title, target.Expr, target.LegendFormat)
		}
	}
	return nil
}

var legendLabel = regexp.MustCompile(`{{\s*([a-z_]+)\s*}}`)

func (r *report) panel(place, expr, legend string) {
	found, err := r.store.ask(r.fill(expr), r.now)
	if err != nil {
		r.wrong("%s: %v in %s", place, err, expr)
		return
	}
	shown := finite(found)
	reason := r.reason(expr)
	if len(shown) == 0 && reason == "" {
		r.wrong("%s: shows nothing for %s", place, expr)
	}
	for _, label := range legendLabel.FindAllStringSubmatch(legend, -1) {
		for _, point := range shown {
			if !point.Metric.Has(label[1]) {
				r.wrong("%s: the legend has %s, and the series %s hasn't", place, label[1], point.Metric)
			}
		}
	}
}

// reason tells why a query may find nothing.
func (r *report) reason(expr string) string {
	for part, reason := range r.scene.Empty {
		if strings.Contains(expr, part) {
			r.used[part] = true
			return reason
		}
	}
	return ""
}

var labelValues = regexp.MustCompile(`label_values\((.*), *([a-z_]+)\)`)

// variable checks that a choice of Grafana's has what stands for it.
func (r *report) variable(board, name string, raw json.RawMessage) {
	var query struct {
		Query string `json:"query"`
	}
	if err := json.Unmarshal(raw, &query); err != nil {
		r.wrong("%s: the variable %s is not understood: %v", board, name, err)
		return
	}
	parts := labelValues.FindStringSubmatch(query.Query)
	if parts == nil {
		r.wrong("%s: the variable %s asks for %s, and no label_values(…)", board, name, query.Query)
		return
	}
	found, err := r.store.ask(r.fill(parts[1]), r.now)
	if err != nil {
		r.wrong("%s: the variable %s: %v", board, name, err)
	}
	for _, point := range found {
		if point.Metric.Get(parts[2]) == r.scene.Variables[name] {
			return
		}
	}
	r.wrong("%s: the variable %s doesn't offer %s", board, name, r.scene.Variables[name])
}

// rules checks that no alert fires while all is well, and that each looks at series that are there.
func (r *report) rules(path string) error {
	rules, err := readRules(path)
	if err != nil {
		return err
	}
	for _, rule := range rules {
		r.alerts++
		found, err := r.store.ask(rule.Expr, r.now)
		if err != nil {
			r.wrong("%s: %v", rule.Alert, err)
		} else if len(found) > 0 {
			r.wrong("%s fires while all is well: %s", rule.Alert, found)
		}
	}
	return nil
}

func (r *report) fill(expr string) string {
	for name, value := range r.scene.Variables {
		expr = strings.ReplaceAll(expr, "${"+name+"}", value)
		expr = strings.ReplaceAll(expr, "$"+name, value)
	}
	return expr
}

// finite leaves out what Grafana draws no point for.
func finite(found promql.Vector) promql.Vector {
	var shown promql.Vector
	for _, point := range found {
		if !math.IsNaN(point.F) && !math.IsInf(point.F, 0) {
			shown = append(shown, point)
		}
	}
	return shown
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
