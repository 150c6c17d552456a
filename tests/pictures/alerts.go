package main

import (
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"go.yaml.in/yaml/v3"
)

// How often Prometheus looks at rules.
const interval = 30 * time.Second

type ruleTests struct {
	Tests []struct {
		Name     string         `yaml:"name"`
		Interval model.Duration `yaml:"interval"`
		Series   []struct {
			Series string `yaml:"series"`
			Values string `yaml:"values"`
		} `yaml:"input_series"`
		Alerts []struct {
			At     model.Duration `yaml:"eval_time"`
			Name   string         `yaml:"alertname"`
			Expect []struct {
				Labels map[string]string `yaml:"exp_labels"`
			} `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	} `yaml:"tests"`
}

func alerts(rulesPath, testsPath string) error {
	rules, err := readRules(rulesPath)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(testsPath)
	if err != nil {
		return err
	}
	var tests ruleTests
	if err := yaml.Unmarshal(text, &tests); err != nil {
		return fmt.Errorf("%s: %w", testsPath, err)
	}
	byName := map[string]rulefmt.Rule{}
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, rule := range rules {
		byName[rule.Alert] = rule
	}
	var problems []string
	for _, test := range tests.Tests {
		store, err := open()
		if err != nil {
			return err
		}
		defer store.close()
		var samples []sample
		for _, series := range test.Series {
			metric, values, err := promQL.ParseSeriesDesc(series.Series + " " + series.Values)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", test.Name, series.Series, err)
			}
			for n, value := range values {
				if !value.Omitted {
					at := start.Add(time.Duration(n) * time.Duration(test.Interval))
					samples = append(samples, sample{metric, at, value.Value})
				}
			}
		}
		if err := store.add(samples); err != nil {
			return fmt.Errorf("%s: %w", test.Name, err)
		}
		for _, expected := range test.Alerts {
			rule, ok := byName[expected.Name]
			if !ok {
				return fmt.Errorf("%s: there is no alert %s", test.Name, expected.Name)
			}
			firing, err := store.firing(rule, start.Add(time.Duration(expected.At)))
			if err != nil {
				return fmt.Errorf("%s: %s: %w", test.Name, rule.Alert, err)
			}
			var wanted []string
			for _, alert := range expected.Expect {
				wanted = append(wanted, labels.FromMap(alert.Labels).String())
			}
			sort.Strings(wanted)
			if strings.Join(firing, "\n") != strings.Join(wanted, "\n") {
				problems = append(problems, fmt.Sprintf("%s: after %s %s fires for %v, and should for %v",
					test.Name, expected.At, rule.Alert, firing, wanted))
			}
			fires[rule.Alert] = fires[rule.Alert] || len(wanted) > 0
			silent[rule.Alert] = silent[rule.Alert] || len(wanted) == 0
		}
	}
	for _, rule := range rules {
		if !fires[rule.Alert] {
			problems = append(problems, rule.Alert+": no test has it fire")
		}
		if !silent[rule.Alert] {
			problems = append(problems, rule.Alert+": no test has it keep quiet")
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("%s", strings.Join(problems, "\n"))
	}
	fmt.Printf("%d alerts in %d tests\n", len(rules), len(tests.Tests))
	return nil
}

// Where made-up series begin.
var start = time.Unix(1_700_000_000, 0)

// firing tells for which labels an alert fires: those for which its query found something at each look for as long as
// the rule wants.
func (s *store) firing(rule rulefmt.Rule, now time.Time) ([]string, error) {
	since := now.Add(-time.Duration(rule.For))
	lasting := map[string]bool{}
	for at := since; !at.After(now); at = at.Add(interval) {
		found, err := s.ask(rule.Expr, at)
		if err != nil {
			return nil, err
		}
		here := map[string]bool{}
		for _, point := range found {
			builder := labels.NewBuilder(point.Metric).Del(labels.MetricName)
			for name, value := range rule.Labels {
				builder.Set(name, value)
			}
			key := builder.Labels().String()
			here[key] = at.Equal(since) || lasting[key]
		}
		lasting = here
	}
	var firing []string
	for key, lasted := range lasting {
		if lasted {
			firing = append(firing, key)
		}
	}
	sort.Strings(firing)
	return firing, nil
}
