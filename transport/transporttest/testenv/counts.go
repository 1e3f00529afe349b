package testenv

import (
	"reflect"
	"testing"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/embedded"
)

// Published fails the test for each field of a struct of counts that publish
// does not say to the observer. Fields are numbers, and maps to numbers from
// strings.
func Published[S any](t *testing.T, publish func(metric.Observer, S)) {
	t.Helper()
	var s S
	value := int64(1000) // distinct for each field
	fields := make(map[int64]string)
	all := reflect.ValueOf(&s).Elem()
	for i := range all.NumField() {
		value++
		f, name := all.Field(i), all.Type().Field(i).Name
		fields[value] = name
		if f.Kind() != reflect.Map {
			f.Set(reflect.ValueOf(value).Convert(f.Type()))
			continue
		}
		f.Set(reflect.MakeMap(f.Type()))
		f.SetMapIndex(reflect.ValueOf("key").Convert(f.Type().Key()), reflect.ValueOf(value).Convert(f.Type().Elem()))
	}
	o := &observed{values: make(map[int64]bool)}
	publish(o, s)
	for v, name := range fields {
		if !o.values[v] {
			t.Errorf("%s.%s is not published", all.Type(), name)
		}
	}
}

// observed is a metric.Observer that remembers values.
type observed struct {
	embedded.Observer
	values map[int64]bool
}

func (o *observed) ObserveInt64(_ metric.Int64Observable, v int64, _ ...metric.ObserveOption) {
	o.values[v] = true
}

func (o *observed) ObserveFloat64(_ metric.Float64Observable, v float64, _ ...metric.ObserveOption) {
	o.values[int64(v)] = true
}
