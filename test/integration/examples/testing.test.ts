/* The examples of docs/testing.md are tests themselves. */
import '../../../examples/service/products.test.ts';
import '../../../examples/service/server.test.ts';
