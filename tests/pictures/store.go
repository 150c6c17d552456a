package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
)

var promQL = parser.NewParser(parser.Options{})

// store is a Prometheus without its servers.
type store struct {
	db     *tsdb.DB
	engine *promql.Engine
	folder string
}

func open() (*store, error) {
	folder, err := os.MkdirTemp("", "pictures-")
	if err != nil {
		return nil, err
	}
	options := tsdb.DefaultOptions()
	db, err := tsdb.Open(folder, promslog.NewNopLogger(), nil, options, nil)
	if err != nil {
		return nil, err
	}
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 1_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, Parser: promQL, EnableAtModifier: true,
	})
	return &store{db: db, engine: engine, folder: folder}, nil
}

func (s *store) close() {
	s.engine.Close()
	s.db.Close()
	os.RemoveAll(s.folder)
}

type sample struct {
	series labels.Labels
	at     time.Time
	value  float64
}

func (s *store) add(samples []sample) error {
	// Series that are made up come one after the other, and a store wants time to go on.
	slices.SortStableFunc(samples, func(a, b sample) int { return a.at.Compare(b.at) })
	app := s.db.Appender(context.Background())
	for _, sample := range samples {
		if _, err := app.Append(0, sample.series, sample.at.UnixMilli(), sample.value); err != nil {
			return fmt.Errorf("%s: %w", sample.series, err)
		}
	}
	return app.Commit()
}

// scrape takes what a service tells, with the labels that a PodMonitor adds.
func (s *store) scrape(text []byte, at time.Time, more map[string]string) error {
	var samples []sample
	lines := textparse.NewPromParser(text, labels.NewSymbolTable(), false)
	for {
		entry, err := lines.Next()
		if errors.Is(err, io.EOF) {
			return s.add(samples)
		}
		if err != nil {
			return err
		}
		if entry != textparse.EntrySeries {
			continue
		}
		var series labels.Labels
		_, _, value := lines.Series()
		lines.Labels(&series)
		builder := labels.NewBuilder(series)
		for name, value := range more {
			builder.Set(name, value)
		}
		samples = append(samples, sample{builder.Labels(), at, value})
	}
}

func (s *store) ask(expr string, at time.Time) (promql.Vector, error) {
	query, err := s.engine.NewInstantQuery(context.Background(), s.db, nil, expr, at)
	if err != nil {
		return nil, err
	}
	defer query.Close()
	result := query.Exec(context.Background())
	if result.Err != nil {
		return nil, result.Err
	}
	if len(result.Warnings) > 0 {
		return nil, fmt.Errorf("%v", result.Warnings.AsErrors())
	}
	return result.Vector()
}

func readRules(path string) ([]rulefmt.Rule, error) {
	groups, errs := rulefmt.ParseFile(path, false, model.UTF8Validation, promQL, promslog.NewNopLogger())
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	var rules []rulefmt.Rule
	for _, group := range groups.Groups {
		rules = append(rules, group.Rules...)
	}
	return rules, nil
}
