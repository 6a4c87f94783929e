-- for each sale whose documents all have lines that meet their subtotal: Σ of its lines = the order
with

orders as (

  select * from {{ ref("fct_orders") }}

),

lines as (

  select
    order_id,
    {{ sum_money("line_total + discount") }} as subtotal,
    {{ sum_money("gross_sales") }} as gross_sales,
    {{ sum_money("discounts") }} as discounts
  from {{ ref("fct_order_items") }}
  where is_applied
  group by order_id

),

sales as (

  select
    orders.sales_order_id,
    {{ sum_money("orders.gross_sales") }} as gross_sales,
    {{ sum_money("orders.discounts") }} as discounts,
    {{ sum_money("lines.gross_sales") }} as gross_sales_of_lines,
    {{ sum_money("lines.discounts") }} as discounts_of_lines
  from orders
  left join lines on orders.order_id = lines.order_id
  group by orders.sales_order_id
  having {{ count_where("lines.subtotal is null or lines.subtotal <> orders.subtotal") }} = 0

)

select * from sales
where gross_sales <> gross_sales_of_lines or discounts <> discounts_of_lines
