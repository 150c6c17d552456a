// Renders dashboards and alert rules the way Grafana and Prometheus do, for tests.
//
//	pictures panels SCENE.json   evaluates every panel and alert over real scrapes
//	pictures alerts RULES TESTS  fires alerts over made-up series, in the format of promtool's tests of rules
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "panels":
		return panels(args[1])
	case len(args) == 3 && args[0] == "alerts":
		return alerts(args[1], args[2])
	}
	return fmt.Errorf("usage: pictures panels SCENE.json | alerts RULES TESTS")
}
