-- Landing tables of a shop of `orders` sales over two years, drawn from `seed`: both are variables of the connection.
-- The tables exist and are empty. Amounts are drawn as whole minor units, so that they are exact in every currency.

create temp macro drawn(key, what, sides) as cast(hash(key, what, getvariable('seed')) % sides as bigint);

create temp macro at_day(moment, days) as moment + to_hours(cast(24 * days as integer));

create temp table currencies as
select * from (values ('EUR', 0.01::decimal(4, 3)), ('JPY', 1::decimal(4, 3)), ('KWD', 0.001::decimal(4, 3))) as t (currency, unit);

create temp table sales as
select
    i,
    printf('O%013d', i) as order_id,
    case when drawn(i, 'guest', 100) >= 5
        then printf('C%013d', drawn(i, 'customer', 1 + getvariable('orders') // 4)) end as customer_id,
    case when drawn(i, 'currency', 100) < 80 then 'EUR' when drawn(i, 'currency', 100) < 90 then 'JPY' else 'KWD' end as currency,
    case drawn(i, 'status', 50) when 0 then 'cancelled' when 1 then 'returned' when 2 then 'shipped' else 'delivered' end as status,
    timestamp '2024-01-01' + to_seconds(i * 63072000 // getvariable('orders') + drawn(i, 'moment', 3600)) as ordered_at
from range(getvariable('orders')) as t (i);

-- one to three lines; one in ten has a discount of its own
create temp table lines as
select
    i,
    n as line_number,
    printf('P%05d', drawn(i * 4 + n, 'product', 10100)) as product_id,
    1 + drawn(i * 4 + n, 'quantity', 10) // 8 as quantity,
    500 + drawn(i * 4 + n, 'price', 20000) as unit_price,
    case when drawn(i * 4 + n, 'discount', 10) = 0 then quantity * unit_price // 10 else 0 end as discount
from sales, range(1, 4) as numbers (n)
where n <= 1 + drawn(i, 'lines', 3);

-- one order in five has a discount on top of its lines'; euros include their tax, other currencies add it
create temp table documents as
select
    sales.*,
    unit,
    sums.subtotal,
    sums.discount + case when drawn(i, 'coupon', 5) = 0 then (sums.subtotal - sums.discount) // 20 else 0 end as discount,
    case when drawn(i, 'shipping', 2) = 0 then 499 else 0 end as shipping,
    case when currency = 'EUR' then 0 else (sums.subtotal - sums.discount) // 10 end as tax,
    case when currency = 'EUR' then (sums.subtotal - sums.discount) // 6 end as tax_included
from sales
inner join currencies using (currency)
inner join (
    select i, sum(quantity * unit_price)::bigint as subtotal, sum(discount)::bigint as discount from lines group by i
) as sums using (i);

-- four sales in a hundred send their first line back, a tenth of them without saying what they belong to
create temp table returns as
select
    documents.* exclude (order_id, status, subtotal, discount, shipping, tax, tax_included, ordered_at),
    replace(order_id, 'O', 'R') as order_id,
    case when drawn(i, 'linked', 10) > 0 then documents.order_id end as original_order_id,
    lines.quantity * lines.unit_price as subtotal,
    lines.discount,
    tax * lines.quantity * lines.unit_price // documents.subtotal as tax,
    tax_included * lines.quantity * lines.unit_price // documents.subtotal as tax_included,
    at_day(ordered_at, 3 + drawn(i, 'days', 20)) as ordered_at
from documents
inner join lines using (i)
where drawn(i, 'return', 25) = 0 and line_number = 1 and status <> 'cancelled';

-- half of the sales come twice: when they are made, and as they stand some days later
insert into landing.orders by name
select
    order_id,
    customer_id,
    'sale' as kind,
    case when version = 1 then 'created' else status end as status,
    currency,
    subtotal * unit as subtotal,
    discount * unit as discount,
    tax * unit as tax,
    shipping * unit as shipping,
    0 as other,
    (subtotal - discount + tax + shipping) * unit as total,
    tax_included * unit as tax_included,
    'web' as channel,
    'City ' || drawn(i, 'city', 5000) as ship_city,
    printf('%05d', drawn(i, 'city', 5000) * 17) as ship_postal_code,
    (['DE', 'FR', 'JP', 'KW'])[1 + drawn(i, 'country', 4)] as ship_country_code,
    ordered_at,
    case when version = 2 then ordered_at + to_hours(2) end as approved_at,
    case when version = 2 and status <> 'cancelled' then at_day(ordered_at, 1) end as shipped_at,
    case when version = 2 and status in ('delivered', 'returned') then at_day(ordered_at, 3) end as delivered_at,
    case when version = 2 and status = 'cancelled' then at_day(ordered_at, 3) end as cancelled_at,
    at_day(ordered_at, 4) as estimated_delivery_at,
    case when version = 2 then at_day(ordered_at, 3) else ordered_at end as updated_at,
    updated_at::date as _partition_date
from documents, range(1, 3) as versions (version)
where version = 2 or drawn(i, 'twice', 2) = 0
order by _partition_date, order_id;

insert into landing.orders by name
select
    order_id,
    customer_id,
    'return' as kind,
    original_order_id,
    'delivered' as status,
    currency,
    -subtotal * unit as subtotal,
    -discount * unit as discount,
    -tax * unit as tax,
    0 as shipping,
    0 as other,
    -(subtotal - discount + tax) * unit as total,
    -tax_included * unit as tax_included,
    'web' as channel,
    ordered_at,
    ordered_at as updated_at,
    ordered_at::date as _partition_date
from returns
order by _partition_date, order_id;

insert into landing.order_items by name
select
    documents.order_id,
    line_number,
    product_id,
    'SKU-' || product_id as sku,
    'Product ' || product_id as name,
    sign * quantity as quantity,
    lines.unit_price * unit as unit_price,
    sign * lines.discount * unit as discount,
    sign * (quantity * lines.unit_price - lines.discount) * unit as line_total,
    currency,
    ordered_at,
    ordered_at as updated_at,
    ordered_at::date as _partition_date
from (
    select i, order_id, currency, unit, ordered_at, 1 as sign, 3 as last_line from documents
    union all
    select i, order_id, currency, unit, ordered_at, -1, 1 from returns
) as documents
inner join lines on documents.i = lines.i and line_number <= last_line
order by _partition_date, documents.order_id, line_number;

-- 98 in 100 sales are paid, 3 in 1000 twice, 30 only at the second attempt; 1 in 1000 is charged back;
-- four in five returns are refunded, and two in a hundred sales half without a document
insert into landing.payments by name
select
    payment_id,
    order_id,
    customer_id,
    kind,
    (['card', 'card', 'invoice', 'paypal'])[1 + drawn(i, 'method', 4)] as method,
    status,
    amount * unit as amount,
    currency,
    paid_at,
    paid_at as updated_at,
    paid_at::date as _partition_date
from (
    select i, 'T' || order_id || n as payment_id, order_id, customer_id, 'payment' as kind,
        case when n = 3 then 'failed' else 'settled' end as status, subtotal - discount + tax + shipping as amount, unit,
        currency, ordered_at + to_minutes(5 * n) as paid_at
    from documents, range(1, 4) as attempts (n)
    where (n = 1 and drawn(i, 'paid', 50) > 0) or (n = 2 and drawn(i, 'double', 1000) < 3)
        or (n = 3 and drawn(i, 'failed', 100) < 3)
    union all
    select i, 'B' || order_id, order_id, customer_id, 'chargeback', 'settled', subtotal - discount + tax + shipping,
        unit, currency, at_day(ordered_at, 40)
    from documents where drawn(i, 'chargeback', 1000) = 0
    union all
    select i, 'F' || order_id, order_id, customer_id, 'refund', 'settled', (subtotal - discount) // 2, unit, currency,
        at_day(ordered_at, 1 + drawn(i, 'refunded', 20))
    from documents where drawn(i, 'refund', 50) = 0
    union all
    select i, 'F' || order_id, order_id, customer_id, 'refund', 'settled', subtotal - discount + tax, unit, currency,
        at_day(ordered_at, drawn(i, 'refunded', 5))
    from returns where drawn(i, 'refund', 5) > 0
) as movements
order by _partition_date, payment_id;

-- a hundred products are sold that nobody knows
insert into landing.products by name
select
    printf('P%05d', i) as product_id,
    'SKU-P' || i as sku,
    'Product ' || i as name,
    'Category ' || i % 40 as category,
    49.99 as unit_price,
    19.99 as unit_cost,
    'EUR' as currency,
    timestamp '2024-01-01' as created_at,
    created_at as updated_at,
    created_at::date as _partition_date
from range(10000) as t (i);

insert into landing.customers by name
select
    printf('C%013d', i) as customer_id,
    'customer.' || i || '@example.org' as email,
    'First ' || drawn(i, 'first', 2000) as first_name,
    'Last ' || drawn(i, 'last', 20000) as last_name,
    drawn(i, 'street', 50000) || ' Street' as street,
    'City ' || drawn(i, 'city', 5000) as city,
    'DE' as country_code,
    timestamp '2024-01-01' as created_at,
    created_at as updated_at,
    created_at::date as _partition_date
from range(1 + getvariable('orders') // 4) as t (i);

update landing.orders set _source_object = 'orders_' || _partition_date || '.csv';
update landing.order_items set _source_object = 'order_items_' || _partition_date || '.csv';
update landing.payments set _source_object = 'payments_' || _partition_date || '.csv';
